"""Shared by the pages: theme, pieces of HTML, and the wiring of events."""
