"""The base model: loading it, its structure, and the hooks through which edits reach its hidden states."""
