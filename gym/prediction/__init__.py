"""Use a trained model on new imagery."""
