"""Edits of hidden states: their formulas, where they act, and the model that applies them."""
