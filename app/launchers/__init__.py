"""What starts the worker and keeps it alive; a cluster gets a launcher of its own here."""
