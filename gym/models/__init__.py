"""Build the networks and their losses."""
