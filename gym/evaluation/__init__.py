"""Evaluate predictions: confusion matrices, boundaries, calibration, confidence intervals and baselines."""
