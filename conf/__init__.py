"""The configuration's YAML, shipped inside the wheel as gym.conf."""
