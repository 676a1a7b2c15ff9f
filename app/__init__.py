"""The app that people touch: pages, command line, HTTP, and the worker that joins engine and storage."""
