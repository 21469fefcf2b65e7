"""Segment scenes of any size with a trained model."""
