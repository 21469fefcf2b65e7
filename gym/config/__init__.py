"""The typed configuration: its schema, its validation, overrides, and the translation of Segmentation Gym files."""
