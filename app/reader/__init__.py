"""Untrusted files are read in a process of their own, with a memory limit and a time limit."""
