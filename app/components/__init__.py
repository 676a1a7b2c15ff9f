"""What two pages or more share: theme, pieces of HTML, and the wiring of events."""
