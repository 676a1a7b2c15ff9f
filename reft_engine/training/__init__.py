"""Training: the loop, objectives, checkpoints, events, evaluation and the verdict."""
