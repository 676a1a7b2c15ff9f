"""Speed and memory beside others: every contender in a process of its own, all of them taking turns."""
