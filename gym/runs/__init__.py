"""Runs on disk and in MLflow: specification, folder, result, model files, logging and lookup."""
