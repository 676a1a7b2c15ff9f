"""The engine's own process, the supervisor that keeps it alive, and the client that talks to it."""
