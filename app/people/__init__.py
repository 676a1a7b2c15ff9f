"""Who asks: people, their pass phrases and sessions, and the person of each request. Everything else asks `asking`."""
