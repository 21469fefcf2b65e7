"""Optuna searches: the search space, samplers, pruners, storage and figures."""
