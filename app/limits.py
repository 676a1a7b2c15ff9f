"""How much a request of the Playground, a saved conversation and a vote may hold: each limit once, for all that have it. Imports nothing.

`app.given` says in a sentence what is over one of them.
"""

BESIDE = 6
"""Columns of a page beside the base model."""
COLUMNS = 1 + BESIDE
"""Columns of a page, and answers of a turn or a vote that are shown at once."""
COLUMNS_EVER = 64
"""Columns that a saved conversation has had, since none is ever taken out of its list."""
TURNS = 500
"""Turns of a saved conversation, with all its branches."""
MESSAGES = 100
"""Messages that are read to give one answer: 50 turns."""
TEXT = 200_000
"""Characters of one text."""
STOPS, STOP = 8, 200
"""Texts that end an answer, and characters of one."""
PROMPTS = 500
"""Prompts that are answered together."""
PARTS = 8
"""Runs of a mix."""
