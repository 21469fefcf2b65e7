"""Foundations that know nothing of segmentation: errors, atomic files, seeding, signals, start-up, parallel work."""
