"""A regular sample of an image's pixels, for what every pixel would cost too much."""

LATTICE_SIDE = 128  # most rows and columns


def lattice(rows: int, columns: int) -> tuple[slice, slice]:
    """Every n-th row and column of an image, n as small as leaves at most `LATTICE_SIDE` of each.

    Of a small image that is every pixel. Lattice points lie evenly, so that a share counted on them is that of the
    image, but for its finest detail.
    """
    step = -(-max(rows, columns) // LATTICE_SIDE)
    return _every(step, rows), _every(step, columns)


def _every(step: int, side: int) -> slice:
    return slice(min(step // 2, side - 1), None, step)
