"""Fractal fields and small shapes from which synthetic scenes are drawn.

Fields are ``(rows, columns)`` floats, and lengths are in pixels. Random fields take their generator as an argument.
"""

import numpy as np
from scipy import ndimage

_MARGIN = 32
_EIGHT = np.ones((3, 3), bool)


def fractal_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    slope: float,
    outer: float,
    stretch: float = 1.0,
    turn: float = 0.0,
) -> np.ndarray:
    """Draw a Gaussian field whose power decreases with frequency to the power of ``-slope``.

    Args:
        rng: Generator; the number of draws depends on ``shape`` only.
        shape: Rows and columns.
        slope: Spectral slope; 2 is rough, 4 is smooth (fractal dimension of a surface = (8 - slope) / 2).
        outer: Length above which the spectrum is flat, in pixels.
        stretch: Ratio of length to width of the shapes.
        turn: Direction of their long side, in radians from columns to rows.

    Returns:
        ``shape`` float32 with approximately zero mean and unit variance (exactly so on a larger, periodic frame).
    """
    rows, columns = (n + _MARGIN for n in shape)
    down = np.fft.fftfreq(rows)[:, None]
    right = np.fft.rfftfreq(columns)[None, :]
    long = (right * np.cos(turn) + down * np.sin(turn)) * np.sqrt(stretch)
    short = (down * np.cos(turn) - right * np.sin(turn)) / np.sqrt(stretch)
    amplitude = (long**2 + short**2 + outer**-2.0).astype(np.float32) ** (-slope / 4)
    amplitude[0, 0] = 0.0
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns), np.float32)) * amplitude
    field = np.fft.irfft2(spectrum, s=(rows, columns))
    return (field / field.std())[: shape[0], : shape[1]]


def ramp(values: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Rise smoothly from 0 at ``start`` to 1 at ``stop``, or fall if ``stop`` is less than ``start``."""
    t = np.clip((values - start) / (stop - start), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def bump(values: np.ndarray, centre: float | np.ndarray, width: float) -> np.ndarray:
    """Gaussian bump: 1 where ``values`` equals ``centre``, 1/e at a distance of ``width``."""
    return np.exp(-(((values - centre) / width) ** 2))


def draw_parcels(
    rng: np.random.Generator, along: np.ndarray, across: np.ndarray, side: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a grid of plots with one tone each, separated by tracks.

    Returns:
        Tone of the plot of each pixel, in (-1, 1), and a boolean mask of the tracks, about one pixel wide.
    """
    table = rng.uniform(-1, 1, (32, 32))
    i, j = np.floor(along / side).astype(int), np.floor(across / (side * 0.7)).astype(int)
    track = (np.mod(along, side) < 1) | (np.mod(across, side * 0.7) < 1)
    return table[i % 32, j % 32], track


def keep_large(mask: np.ndarray, smallest: float) -> np.ndarray:
    """Remove the 8-connected pieces of a mask with fewer than ``smallest`` pixels."""
    pieces, _ = ndimage.label(mask, _EIGHT)
    large = np.bincount(pieces.ravel()) >= smallest
    large[0] = False
    return large[pieces]


def keep_touching(mask: np.ndarray, other: np.ndarray, reach: int) -> np.ndarray:
    """Remove the 8-connected pieces of a mask without a pixel of ``other`` within ``reach`` rows and columns."""
    pieces, count = ndimage.label(mask, _EIGHT)
    near = ndimage.maximum_filter(other, 2 * reach + 1, mode="constant")
    touching = np.bincount(pieces[near], minlength=count + 1) > 0
    touching[0] = False
    return touching[pieces]


def distance_to(mask: np.ndarray) -> np.ndarray:
    """Measure the distance of each pixel to the nearest true one; the sum of both sides if there is none."""
    if not mask.any():
        return np.full(mask.shape, float(sum(mask.shape)))
    return ndimage.distance_transform_edt(~mask)
