"""Launchers start the worker and restart it when it ends; one for a cluster would go here."""
