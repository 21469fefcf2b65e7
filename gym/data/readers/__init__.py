"""Readers of labelled imagery, one per kind: folders, NumPy archives and synthetic scenes."""
