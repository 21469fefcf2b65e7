"""One module for each command, the command line they share, and the Python API."""
