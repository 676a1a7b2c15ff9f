"""Answers: generation with a KV cache, and classification."""
