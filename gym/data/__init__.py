"""Labelled imagery: readers, preparation, datasets on disk, splits, augmentation and batches."""
