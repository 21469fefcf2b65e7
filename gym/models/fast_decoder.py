"""A decoder level at half the resolution: exactly what it computes on the doubled map, in a third of the work.

A level on the way up doubles a coarse map by nearest neighbour, puts the skipped map of the encoder beside it, and
convolves both. Split by input channels, that is one convolution of each, added. The one of the doubled map need not see
the doubled map: a kernel of 7 rows, on doubled rows, falls on 4 coarse rows only, in one way for even rows of the
result and in another for odd ones.

    coarse rows        i-2     i-1      i      i+1     i+2
    doubled rows      ┌───┐   ┌───┐   ┌───┐   ┌───┐   ┌───┐
                      │ │ │   │ │ │   │ │ │   │ │ │   │ │ │
    even row 2i         └─a─┴─b─c─┴─d─e─┴─f─g─┘                   a, b+c, d+e, f+g    on i-2 .. i+1
    odd row 2i+1            └─a─b─┴─c─d─┴─e─f─┴─g─┘               a+b, c+d, e+f, g    on i-1 .. i+2

So the trained 7x7 kernel is folded into four of 4x4, one for each phase (row and column even or odd): 16 products in
place of 49. One convolution makes the four phases, which are then woven together. The window of odd rows is that of
even rows one further, so one position of the convolution gives an odd row 2i-1 and the even row 2i after it; what this
makes too much at the edges is cut off. Kernels of 5 or 9 rows have the same window for both.

Batch normalisation and ReLU commute with doubling, and the statistics of a doubled map are those of the map, so they
work on both parts by themselves, too. Zero padding is kept: outside the coarse map is outside the doubled one. Weights,
their names, shapes and order are those of the plain layers, so one form loads what the other has learnt.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from gym.models import cpu_ops, layers

Tensor = Any
Shape = tuple[Any, ...]


class JoinedMaps(NamedTuple):
    """Two maps that stand for one: ``coarse``, doubled in rows and columns, and behind it in the channels ``fine``.

    Attributes:
        coarse: ``(batch, rows / 2, columns / 2, channels)``.
        fine: ``(batch, rows, columns, channels)``.
    """

    coarse: Tensor
    fine: Tensor


@keras.saving.register_keras_serializable(package="segsweep", name="JoinedBatchNormalization")
class BatchNormalization(layers.NormalizeRelu):
    """Batch normalisation of a `JoinedMaps` map, then ReLU; arguments and weights as of Keras' own."""

    def build(self, coarse_shape: Shape, fine_shape: Shape) -> None:
        super().build(joined_shape(coarse_shape, fine_shape))
        self.input_spec = None

    def call(self, coarse: Tensor, fine: Tensor, training: bool | None = None) -> JoinedMaps:
        return JoinedMaps(*self.normalize_relu([coarse, fine], training))

    def compute_output_spec(self, coarse: Tensor, fine: Tensor, training: bool | None = None) -> JoinedMaps:
        return JoinedMaps(*(keras.KerasTensor(part.shape, self.compute_dtype) for part in (coarse, fine)))


@keras.saving.register_keras_serializable(package="segsweep", name="JoinedConv2D")
class Conv2D(keras.layers.Conv2D):
    """Convolution of a `JoinedMaps` map with an odd kernel and stride 1, padded with zeros; the result is one fine map.

    Arguments and weights as of Keras' own.
    """

    def build(self, coarse_shape: Shape, fine_shape: Shape) -> None:
        super().build(joined_shape(coarse_shape, fine_shape))
        self.input_spec = None

    def call(self, coarse: Tensor, fine: Tensor) -> Tensor:
        kernel = ops.cast(self.kernel, self.compute_dtype)
        of_coarse, of_fine = layers.split_at(kernel, coarse.shape[-1], axis=2)
        bias = ops.cast(self.bias, self.compute_dtype)
        maps = ops.conv(fine, of_fine, padding="same")
        maps = cpu_ops.add_bias(maps, bias) if cpu_ops.is_tuned() else maps + bias
        return convolve_upsampled(coarse, of_coarse) + maps

    def compute_output_spec(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return keras.KerasTensor((*fine.shape[:-1], self.filters), self.compute_dtype)


def joined_shape(coarse: Shape, fine: Shape) -> Shape:
    """The shape of the map that a `JoinedMaps` one stands for."""
    return (*fine[:-1], coarse[-1] + fine[-1])


def convolve_upsampled(coarse: Tensor, kernel: Tensor) -> Tensor:
    """Convolve a map as if it had been doubled, padded with zeros.

    Args:
        coarse: ``(batch, rows, columns, channels)``.
        kernel: ``(side, side, channels, filters)``, side odd.

    Returns:
        ``(batch, 2 * rows, 2 * columns, filters)``.
    """
    side, filters = kernel.shape[0], kernel.shape[-1]
    if side == 1:
        return upsample_nearest(ops.conv(coarse, kernel))
    folded = fold_kernel(kernel)
    if side % 4 == 1:
        return interleave_phases(ops.conv(coarse, folded, padding="same"), filters)
    reach = folded.shape[0] // 2
    around = ops.pad(coarse, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    woven = interleave_phases(ops.conv(around, folded, padding="valid"), filters)
    batch, rows, columns = ops.shape(coarse)[:3]
    return ops.slice(woven, (0, 1, 1, 0), (batch, 2 * rows, 2 * columns, filters))


def fold_kernel(kernel: Tensor) -> Tensor:
    """Fold a kernel for doubled maps into one for the coarse map with four results, the phases.

    Args:
        kernel: ``(side, side, channels, filters)``, side odd and above 1.

    Returns:
        ``(window, window, channels, 4 * filters)``; the phases are in the order of `interleave_phases`.
    """
    side, _, channels, filters = kernel.shape
    taps = phase_taps(side)
    window = taps.shape[1]
    both_axes = np.einsum("pwt,qvu->wvpqtu", taps, taps).reshape(4 * window**2, side**2)
    folded = ops.matmul(ops.cast(both_axes, kernel.dtype), ops.reshape(kernel, (side**2, channels * filters)))
    folded = ops.transpose(ops.reshape(folded, (window**2, 4, channels, filters)), (0, 2, 1, 3))
    return ops.reshape(folded, (window, window, channels, 4 * filters))


def phase_taps(side: int) -> np.ndarray:
    """Which taps of a kernel of ``side`` rows fall on which row of its window: ``(phase, window, side)``, 0 and 1.

    The phases are the rows that one position of the window gives, in their order: even and odd where both have the same
    window, odd and the even one after it where the window moves on between them.
    """
    reach, window = side // 2, (side + 1) // 2
    taps = np.zeros((2, window, side), np.float32)
    for phase in range(2):
        is_odd = phase if reach % 2 == 0 else 1 - phase
        rows = (np.arange(-reach, reach + 1) + is_odd) // 2
        taps[phase, rows - rows.min(), np.arange(side)] = 1
    return taps


def interleave_phases(phases: Tensor, filters: int) -> Tensor:
    """Put four phases in their places: ``(batch, rows, columns, 4 * filters)`` to twice the rows and columns."""
    rows, columns = ops.shape(phases)[1:3]
    apart = ops.reshape(phases, (-1, rows, columns, 2, 2, filters))
    return ops.reshape(ops.transpose(apart, (0, 1, 3, 2, 4, 5)), (-1, 2 * rows, 2 * columns, filters))


def upsample_nearest(maps: Tensor) -> Tensor:
    """Repeat each pixel in two rows and two columns; shapes as `convolve_upsampled`.

    Twice as many channels in a row are twice as many columns, and twice as many columns in a row twice as many rows.
    """
    rows, columns, channels = ops.shape(maps)[1:]
    wide = ops.reshape(ops.concatenate([maps, maps], axis=-1), (-1, rows, 2 * columns * channels))
    return ops.reshape(ops.concatenate([wide, wide], axis=-1), (-1, 2 * rows, 2 * columns, channels))
