"""What the pages share: theme, pieces of HTML, texts of the layout, and the wiring of events."""
