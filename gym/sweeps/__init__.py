"""Sweeps that can be interrupted and resumed: planning, ledger, launching, live view and the parent run in MLflow."""
