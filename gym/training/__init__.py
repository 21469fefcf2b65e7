"""The training loop: metrics, checkpoints, optimizer, runtime settings and progress."""
