"""Scores of predictions: the confusion matrix, boundaries, calibration, intervals and baselines."""
