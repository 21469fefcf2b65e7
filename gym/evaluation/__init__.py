"""Judge a trained model: scores with intervals, boundaries, calibration, baselines, comparison with other runs."""
