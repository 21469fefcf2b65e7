"""One run on disk and in MLflow: its fingerprint, folder, result and model files."""
