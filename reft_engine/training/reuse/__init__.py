"""Activation reuse: what of a frozen base model need not be computed again in later epochs."""
