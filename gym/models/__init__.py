"""The networks, their layers and the losses."""
