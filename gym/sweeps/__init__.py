"""Resumable sweeps: plan, ledger, workers, live view and the parent run in MLflow."""
