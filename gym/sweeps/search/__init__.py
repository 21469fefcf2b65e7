"""Optuna searches: search space, samplers, pruners, storage, the search itself and its figures."""
