"""Sweeps: many configurations as one thing that can be stopped at any instant and picked up again."""
