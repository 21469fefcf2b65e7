"""Train a model, repeatably."""
