"""Makes the bundled starter model from text that it generates itself and, optionally, from simple stories."""
