"""One reader for each kind of imagery: folders, NumPy archives and synthetic scenes."""
