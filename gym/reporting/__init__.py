"""What a model did, in numbers and pictures."""
