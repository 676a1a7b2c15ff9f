"""One page each: layout and wiring only."""
