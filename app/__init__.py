"""The app: pages, command line, HTTP routes, and the worker process."""
