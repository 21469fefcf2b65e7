"""Imagery and labels: read, framed, split, stored, and fed to training."""
