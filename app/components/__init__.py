"""What two pages or more share: theme, cards, tokens."""
