"""Compute decoder levels at half the resolution: the same result with a third of the work.

A decoder level upsamples a coarse map by nearest neighbour, concatenates it with the skip connection of the encoder,
and convolves both. Split by input channels, this is the sum of two convolutions. The one of the coarse map does not
need the upsampled map: a kernel of 7 rows on upsampled rows covers only 4 coarse rows, in one arrangement for even rows
of the result and in another for odd rows.

    coarse rows        i-2     i-1      i      i+1     i+2
    upsampled rows    ┌───┐   ┌───┐   ┌───┐   ┌───┐   ┌───┐
                      │ │ │   │ │ │   │ │ │   │ │ │   │ │ │
    even row 2i         └─a─┴─b─c─┴─d─e─┴─f─g─┘                   a, b+c, d+e, f+g    on i-2 .. i+1
    odd row 2i+1            └─a─b─┴─c─d─┴─e─f─┴─g─┘               a+b, c+d, e+f, g    on i-1 .. i+2

The trained 7x7 kernel is therefore folded into four 4x4 kernels, one for each phase (even or odd row and column): 16
products instead of 49. One convolution computes the four phases, which are then interleaved. The window of odd rows
lies one row after that of even rows, so each position of the convolution yields an odd row 2i-1 and the even row 2i
after it; the surplus at the edges is cropped. For kernels of 5 or 9 rows, both windows coincide.

Batch normalisation and ReLU commute with upsampling, and an upsampled map has the statistics of the coarse map, so both
are applied to the parts separately. Zero padding is preserved, because outside the coarse map is outside the upsampled
one. Names, shapes and order of the weights equal those of the plain layers, so each form loads the weights of the
other.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from gym.models import cpu_ops, layers

Tensor = Any
Shape = tuple[Any, ...]


class JoinedMaps(NamedTuple):
    """A map stored in two parts: its first channels at half the resolution, the others at full resolution.

    Attributes:
        coarse: ``(batch, rows / 2, columns / 2, channels)``.
        fine: ``(batch, rows, columns, channels)``.
    """

    coarse: Tensor
    fine: Tensor


@keras.saving.register_keras_serializable(package="segsweep", name="JoinedBatchNormalization")
class BatchNormalization(layers.NormalizeRelu):
    """Batch normalisation of `JoinedMaps` followed by ReLU, with the arguments and weights of Keras' layer."""

    def build(self, coarse_shape: Shape, fine_shape: Shape) -> None:
        super().build(joined_shape(coarse_shape, fine_shape))
        self.input_spec = None

    def call(self, coarse: Tensor, fine: Tensor, training: bool | None = None) -> JoinedMaps:
        return JoinedMaps(*self.normalize_relu([coarse, fine], training))

    def compute_output_spec(self, coarse: Tensor, fine: Tensor, training: bool | None = None) -> JoinedMaps:
        return JoinedMaps(*(keras.KerasTensor(part.shape, self.compute_dtype) for part in (coarse, fine)))


@keras.saving.register_keras_serializable(package="segsweep", name="JoinedConv2D")
class Conv2D(keras.layers.Conv2D):
    """Convolution of `JoinedMaps` to a full-resolution map, with an odd kernel, stride 1 and zero padding.

    Arguments and weights equal those of Keras' layer.
    """

    def build(self, coarse_shape: Shape, fine_shape: Shape) -> None:
        super().build(joined_shape(coarse_shape, fine_shape))
        self.input_spec = None

    def call(self, coarse: Tensor, fine: Tensor) -> Tensor:
        kernel = ops.cast(self.kernel, self.compute_dtype)
        coarse_kernel, fine_kernel = layers.split_at(kernel, coarse.shape[-1], axis=2)
        bias = ops.cast(self.bias, self.compute_dtype)
        maps = ops.conv(fine, fine_kernel, padding="same")
        maps = cpu_ops.add_bias(maps, bias) if cpu_ops.is_tuned() else maps + bias
        return convolve_upsampled(coarse, coarse_kernel) + maps

    def compute_output_spec(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return keras.KerasTensor((*fine.shape[:-1], self.filters), self.compute_dtype)


def joined_shape(coarse: Shape, fine: Shape) -> Shape:
    """Return the shape of the map that `JoinedMaps` represent."""
    return (*fine[:-1], coarse[-1] + fine[-1])


def convolve_upsampled(coarse: Tensor, kernel: Tensor) -> Tensor:
    """Convolve a map as if it had been upsampled by nearest neighbour, with zero padding.

    Args:
        coarse: ``(batch, rows, columns, channels)``.
        kernel: ``(side, side, channels, filters)`` with an odd side.

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
    padded = ops.pad(coarse, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    interleaved = interleave_phases(ops.conv(padded, folded, padding="valid"), filters)
    batch, rows, columns = ops.shape(coarse)[:3]
    return ops.slice(interleaved, (0, 1, 1, 0), (batch, 2 * rows, 2 * columns, filters))


def fold_kernel(kernel: Tensor) -> Tensor:
    """Fold a kernel for upsampled maps into one that computes the four phases from the coarse map.

    Args:
        kernel: ``(side, side, channels, filters)`` with an odd side above 1.

    Returns:
        ``(window, window, channels, 4 * filters)``, phases in the order of `interleave_phases`.
    """
    side, _, channels, filters = kernel.shape
    taps = phase_taps(side)
    window = taps.shape[1]
    both_axes = np.einsum("pwt,qvu->wvpqtu", taps, taps).reshape(4 * window**2, side**2)
    folded = ops.matmul(ops.cast(both_axes, kernel.dtype), ops.reshape(kernel, (side**2, channels * filters)))
    folded = ops.transpose(ops.reshape(folded, (window**2, 4, channels, filters)), (0, 2, 1, 3))
    return ops.reshape(folded, (window, window, channels, 4 * filters))


def phase_taps(side: int) -> np.ndarray:
    """Map the rows of a kernel to the coarse rows of its window, ``(phase, window, side)`` of zeros and ones.

    The phases are the two rows that one window position yields: even and odd if both have the same window, otherwise
    odd and the even row after it.
    """
    reach, window = side // 2, (side + 1) // 2
    taps = np.zeros((2, window, side), np.float32)
    for phase in range(2):
        is_odd = phase if reach % 2 == 0 else 1 - phase
        rows = (np.arange(-reach, reach + 1) + is_odd) // 2
        taps[phase, rows - rows.min(), np.arange(side)] = 1
    return taps


def interleave_phases(phases: Tensor, filters: int) -> Tensor:
    """Interleave four phases, ``(batch, rows, columns, 4 * filters)``, to a map of twice the rows and columns."""
    rows, columns = ops.shape(phases)[1:3]
    separate = ops.reshape(phases, (-1, rows, columns, 2, 2, filters))
    return ops.reshape(ops.transpose(separate, (0, 1, 3, 2, 4, 5)), (-1, 2 * rows, 2 * columns, filters))


def upsample_nearest(maps: Tensor) -> Tensor:
    """Repeat each pixel in two rows and two columns."""
    # In memory, twice the channels are twice the columns, and twice the columns are twice the rows.
    rows, columns, channels = ops.shape(maps)[1:]
    wide = ops.reshape(ops.concatenate([maps, maps], axis=-1), (-1, rows, 2 * columns * channels))
    return ops.reshape(ops.concatenate([wide, wide], axis=-1), (-1, 2 * rows, 2 * columns, channels))
