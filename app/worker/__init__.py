"""The process that holds the base model, trains and answers; and the client through which the web process talks to it."""
