"""Tests of framing: scenes of any size enter the frame, whole or in tiles, and come back."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gym.core.errors import ConfigError
from gym.data.framing import (
    Placement,
    crop_image,
    crop_label,
    frame_image,
    pad_image,
    pad_label,
    place_scene,
    resample_image,
    resample_label,
    unframe_probabilities,
)
from gym.data.labels import IGNORE

sides = st.integers(1, 90)
sizes = st.tuples(sides, sides)
small_sizes = st.tuples(st.integers(1, 30), st.integers(1, 30))
frames = st.tuples(st.integers(1, 40), st.integers(1, 40))
percents = st.integers(0, 90)
framings = st.sampled_from(["fit", "resize", "tile"])


def noise(*shape, seed=0, low=1, high=255):
    """Random integers below 255, at least 1 by default, so that every pixel has data."""
    return np.random.default_rng(seed).integers(low, high, shape)


def count_windows(placements: list[Placement]) -> np.ndarray:
    """The number of windows that cover each pixel of the scene."""
    windows = np.zeros(placements[0].scene, int)
    for _, (top, left, rows, columns), _, _ in placements:
        windows[top : top + rows, left : left + columns] += 1
    return windows


def test_a_small_scene_is_centred():
    """Two rows of four and four columns of eight leave margins of one and two."""
    assert place_scene((2, 4), (4, 8)) == [Placement((2, 4), (0, 0, 2, 4), (2, 4), (1, 2))]


def test_a_large_scene_is_shrunk_by_one_factor_and_centred():
    """100 rows fit 32 with a factor of 0.32, so 60 columns become 19, and 6 of the 13 left over come first."""
    assert place_scene((100, 60), (32, 32)) == [Placement((100, 60), (0, 0, 100, 60), (32, 19), (0, 6))]


def test_resize_stretches_the_scene_to_the_frame():
    """The aspect ratio is not kept."""
    assert place_scene((100, 7), (32, 48), "resize") == [Placement((100, 7), (0, 0, 100, 7), (32, 48), (0, 0))]


def test_tiles_go_row_by_row_from_border_to_border():
    """Ten columns take three tiles of four, at 0, 3 and 6; seven rows take two, at 0 and 3."""
    placements = place_scene((7, 10), (4, 4), "tile")

    assert [placement.window for placement in placements] == [
        (0, 0, 4, 4),
        (0, 3, 4, 4),
        (0, 6, 4, 4),
        (3, 0, 4, 4),
        (3, 3, 4, 4),
        (3, 6, 4, 4),
    ]
    assert {(placement.scene, placement.size, placement.corner) for placement in placements} == {
        ((7, 10), (4, 4), (0, 0))
    }


def test_a_scene_narrower_than_a_tile_is_centred_in_that_direction():
    """Two columns are centred in six, while ten rows are tiled."""
    placements = place_scene((10, 2), (4, 6), "tile", overlap=0.5)

    assert [placement.window for placement in placements] == [(top, 0, 4, 2) for top in (0, 2, 4, 6)]
    assert {(placement.size, placement.corner) for placement in placements} == {((4, 2), (0, 2))}


@pytest.mark.parametrize(("overlap", "count"), [(0.0, 10), (0.5, 19), (0.8, 46), (0.9, 91)])
def test_the_stride_follows_from_the_overlap(overlap, count):
    """100 pixels in tiles of 10 have strides of 10, 5, 2 and 1, although 1 - 0.9 is slightly less than 0.1."""
    assert len(place_scene((1, 100), (1, 10), "tile", overlap)) == count


@given(scene=sizes, frame=frames)
def test_fit_keeps_the_aspect_ratio_to_the_pixel(scene, frame):
    """A scene is shrunk by one factor and never enlarged."""
    (placement,) = place_scene(scene, frame)
    scale = min(1, frame[0] / scene[0], frame[1] / scene[1])

    assert placement.window == (0, 0, *scene)
    assert abs(placement.size[0] - scene[0] * scale) <= max(0.5 + 1e-9, 1 - scene[0] * scale)
    assert abs(placement.size[1] - scene[1] * scale) <= max(0.5 + 1e-9, 1 - scene[1] * scale)


@settings(deadline=None)
@given(scene=small_sizes, frame=frames, framing=framings, percent=percents)
def test_every_window_is_centred_in_the_frame(scene, frame, framing, percent):
    """Opposite margins differ by one pixel at most, and none is negative."""
    for placement in place_scene(scene, frame, framing, percent / 100):
        for side, shown, before in zip(frame, placement.size, placement.corner, strict=True):
            assert shown >= 1
            assert 0 <= side - shown - 2 * before <= 1


@settings(deadline=None)
@given(scene=small_sizes, frame=frames, framing=framings, percent=percents)
def test_every_pixel_of_a_scene_is_in_a_window(scene, frame, framing, percent):
    """Windows cover the scene and stay inside it."""
    placements = place_scene(scene, frame, framing, percent / 100)

    assert count_windows(placements).min() >= 1
    assert count_windows(placements).sum() == sum(rows * columns for _, (_, _, rows, columns), _, _ in placements)


@given(size=st.integers(1, 300), side=st.integers(10, 40), percent=percents)
@example(size=100, side=10, percent=90)
def test_tiles_are_the_fewest_with_the_required_overlap(size, side, percent):
    """Neighbours overlap enough and evenly to the pixel, and one tile fewer could not."""
    windows = [placement.window for placement in place_scene((size, 3), (side, 5), "tile", percent / 100)]
    starts = [top for top, _, _, _ in windows]
    strides = np.diff(starts)
    longest = side * (100 - percent) // 100

    assert starts[0] == 0
    assert starts[-1] == max(0, size - side)
    assert all(rows == min(size, side) for _, _, rows, _ in windows)
    assert all((side - stride) * 100 >= percent * side for stride in strides)
    assert np.ptp(strides) <= 1 if len(strides) else size <= side
    assert len(starts) == 1 or side + (len(starts) - 2) * longest < size


@given(side=st.integers(1, 9))
def test_each_tile_advances_by_at_least_one_pixel(side):
    """Tiling ends even if a tenth of a tile is less than a pixel."""
    starts = [placement.window[0] for placement in place_scene((20, 1), (side, 1), "tile", 0.9)]

    assert starts == list(range(21 - side))


@settings(deadline=None)
@given(scene=small_sizes, frame=frames, framing=st.sampled_from(["fit", "tile"]), percent=percents)
def test_cropped_pixels_keep_their_position_on_earth(scene, frame, framing, percent):
    """An image that holds its own coordinates is exact after cropping, and within an eighth of a pixel if shrunk."""
    tolerance = 1e-6 if framing == "tile" else 1.25 + 1e-6
    rows_of, columns_of = np.indices(scene) + 0.5
    positions = np.stack([430_000 + 10 * columns_of, 4_080_000 - 10 * rows_of], axis=2)

    for placement in place_scene(scene, frame, framing, percent / 100):
        (top, left, rows, columns), (rows_shown, columns_shown) = placement.window, placement.size
        cut = crop_image(positions, placement)

        expected = 430_000 + 10 * (left + (np.arange(columns_shown) + 0.5) * columns / columns_shown)
        np.testing.assert_allclose(cut[0, :, 0], expected, rtol=0, atol=tolerance)
        expected = 4_080_000 - 10 * (top + (np.arange(rows_shown) + 0.5) * rows / rows_shown)
        np.testing.assert_allclose(cut[:, 0, 1], expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("overlap", [-0.1, 0.91, 1.0, float("nan")])
def test_an_overlap_out_of_range_is_rejected(overlap):
    """The error states the value and both bounds; with an overlap of 1, tiling would never end."""
    with pytest.raises(
        ConfigError, match=rf"^data\.overlap={overlap} must be at least 0 and at most 0\.9; try 0\.25\.$"
    ):
        place_scene((10, 10), (4, 4), "tile", overlap)


def test_an_unknown_framing_is_rejected():
    """The error lists the known ones."""
    with pytest.raises(ConfigError, match=r"^data\.framing=crop must be one of fit, resize, tile\."):
        place_scene((10, 10), (4, 4), "crop")


def test_padding_is_nodata_and_ignored():
    """Around the given corner and size, the image is 0 and the label is IGNORE."""
    image = pad_image(np.full((2, 3, 2), 9, np.uint16), (1, 2), (4, 8))
    label = pad_label(np.ones((2, 3), np.uint8), (1, 2), (4, 8))

    assert (image.dtype, label.dtype) == (np.uint16, np.uint8)
    assert (image.shape, label.shape) == ((4, 8, 2), (4, 8))
    np.testing.assert_array_equal(image[1:3, 2:5], 9)
    np.testing.assert_array_equal(label[1:3, 2:5], 1)
    assert np.count_nonzero(image) == 2 * 3 * 2
    assert np.count_nonzero(label == IGNORE) == 4 * 8 - 2 * 3


@settings(deadline=None)
@given(scene=small_sizes, frame=frames, framing=framings)
def test_image_and_label_are_cropped_alike(scene, frame, framing):
    """A crop has the size of its placement, and framed it lies where the placement says."""
    image, label = noise(*scene, 2).astype(np.uint8), noise(*scene, high=9).astype(np.uint8)

    for placement in place_scene(scene, frame, framing):
        cut, framed = crop_image(image, placement), frame_image(image, placement, frame)
        (top, left), (rows, columns) = placement.corner, placement.size

        assert cut.shape == (*placement.size, 2)
        assert crop_label(label, placement).shape == placement.size
        np.testing.assert_array_equal(framed[top : top + rows, left : left + columns], cut)
        assert np.count_nonzero(framed) == np.count_nonzero(cut)


def test_a_tile_equals_its_window_of_the_scene():
    """Image and label are cropped from row 3 and column 6."""
    image, label = noise(7, 10, 2), noise(7, 10)
    last = place_scene((7, 10), (4, 4), "tile")[-1]

    np.testing.assert_array_equal(crop_image(image, last), image[3:, 6:])
    np.testing.assert_array_equal(crop_label(label, last), label[3:, 6:])


@given(scene=st.tuples(st.integers(1, 32), st.integers(1, 48)), framing=st.sampled_from(["fit", "tile"]))
def test_a_scene_that_fits_round_trips_exactly(scene, framing):
    """Framing and unframing a scene no larger than the frame changes no bit."""
    image = np.random.default_rng(0).random((*scene, 2))
    (placement,) = place_scene(scene, (32, 48), framing)

    np.testing.assert_array_equal(unframe_probabilities(frame_image(image, placement, (32, 48)), placement), image)


def test_a_large_scene_comes_back_at_its_own_size():
    """Two halves with different values are found at the same positions again."""
    image = np.zeros((100, 60, 1))
    image[50:] = 1.0
    (placement,) = place_scene((100, 60), (32, 32))

    back = unframe_probabilities(frame_image(image, placement, (32, 32)), placement)

    assert back.shape == (100, 60, 1)
    np.testing.assert_allclose(back[:47], 0, atol=1e-6)
    np.testing.assert_allclose(back[53:], 1, atol=1e-6)


@given(rows=st.integers(1, 8), columns=st.integers(1, 12), classes=st.integers(1, 4))
def test_an_enlarged_label_round_trips_to_the_pixel(rows, columns, classes):
    """If the frame is a whole multiple of the scene, each pixel averages its own copies."""
    assume(24 % rows == 0 and 24 % columns == 0)
    label = noise(rows, columns, low=0, high=classes)
    (placement,) = place_scene((rows, columns), (24, 24), "resize")

    back = unframe_probabilities(np.eye(classes, dtype=np.float32)[crop_label(label, placement)], placement)

    np.testing.assert_allclose(back, np.eye(classes)[label], rtol=0, atol=1e-6)


@settings(deadline=None)
@given(scene=small_sizes, frame=frames, framing=framings, seed=st.integers(0, 99))
def test_probabilities_keep_their_sum_and_type(scene, frame, framing, seed):
    """Probabilities still sum to one after any resampling."""
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(3), frame).astype(np.float32)

    for placement in place_scene(scene, frame, framing):
        back = unframe_probabilities(probabilities, placement)

        assert back.dtype == np.float32
        assert back.shape == (*placement.window[2:], 3)
        assert back.min() >= 0
        np.testing.assert_allclose(back.sum(axis=2), 1, rtol=0, atol=1e-5)


@given(size=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 99))
def test_resizing_a_label_invents_no_class(size, seed):
    """A label of 0 and 3 contains no 1 or 2 after any resampling."""
    label = np.random.default_rng(seed).choice([0, 3], (37, 23)).astype(np.uint8)

    assert set(np.unique(resample_label(label, size))) <= {0, 3}


def test_shrinking_a_label_by_two_takes_one_of_four_pixels():
    """Nearest neighbour picks pixels at even spacing."""
    label = np.arange(16).reshape(4, 4)

    np.testing.assert_array_equal(resample_label(label, (2, 2)), [[5, 7], [13, 15]])


def test_enlarging_a_label_repeats_its_pixels():
    """Two by two pixels become four by six, in blocks of two by three."""
    label = np.array([[1, 2], [3, IGNORE]], np.uint8)

    np.testing.assert_array_equal(resample_label(label, (4, 6)), np.kron(label, np.ones((2, 3), np.uint8)))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64])
def test_shrinking_by_a_whole_number_takes_the_mean_of_blocks(dtype):
    """A third of the rows and a quarter of the columns are block means in every type; integers are rounded."""
    image = noise(30, 40, 2).astype(dtype)
    means = image.astype(np.float64).reshape(10, 3, 10, 4, 2).mean(axis=(1, 3))

    shrunk = resample_image(image, (10, 10))

    assert shrunk.dtype == dtype
    tolerance = 0.5001 if np.issubdtype(dtype, np.integer) else 1e-4
    np.testing.assert_allclose(shrunk.astype(np.float64), means, rtol=0, atol=tolerance)


@given(old=st.integers(1, 40), data=st.data())
def test_shrinking_takes_the_mean_over_the_area_of_each_new_pixel(old, data):
    """The result equals that of repeating pixels until the new size divides the old one."""
    new = data.draw(st.integers(1, old))
    image = noise(old, 1, 3).astype(np.float64)
    means = image.repeat(new, axis=0).reshape(new, old, 1, 3).mean(axis=1)

    np.testing.assert_allclose(resample_image(image, (new, 1)), means, rtol=1e-9)
    np.testing.assert_allclose(resample_image(image.swapaxes(0, 1), (1, new)), means.swapaxes(0, 1), rtol=1e-9)


@given(old=st.tuples(st.integers(1, 20), st.integers(1, 20)), added=st.tuples(st.integers(0, 50), st.integers(0, 50)))
def test_enlarging_interpolates_linearly(old, added):
    """The values agree with NumPy's interpolation between pixel centres; beyond the outermost they are constant."""
    image = noise(*old).astype(np.float64)
    size = (old[0] + added[0], old[1] + added[1])
    down, across = ((np.arange(after) + 0.5) * before / after - 0.5 for before, after in zip(old, size, strict=True))

    linear = np.stack([np.interp(down, np.arange(old[0]), column) for column in image.T], axis=1)
    linear = np.stack([np.interp(across, np.arange(old[1]), row) for row in linear])

    np.testing.assert_allclose(resample_image(image[..., np.newaxis], size)[..., 0], linear, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint32])
@pytest.mark.parametrize("size", [(7, 5), (23, 31), (64, 3)])
def test_the_extremes_of_each_type_survive_resampling(dtype, size):
    """The largest and smallest value of a type neither wrap around nor change."""
    for value in (np.iinfo(dtype).max, np.iinfo(dtype).min or 1):
        np.testing.assert_array_equal(resample_image(np.full((17, 11, 2), value, dtype), size), value)


def test_interpolated_integers_are_rounded():
    """From 10 to 12 over four pixels, 10, 10.5, 11.5 and 12 become 10, 10, 12 and 12: halves go to the even integer."""
    image = np.array([[[10], [12]]], np.uint8)

    np.testing.assert_array_equal(resample_image(image, (1, 4)).ravel(), [10, 10, 12, 12])


@given(seed=st.integers(0, 999), size=st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_nodata_does_not_darken_its_neighbours(seed, size):
    """Of a flat image with scattered nodata, each resampled pixel is either 200 or nodata."""
    holes = np.random.default_rng(seed).random((12, 17, 1)) < 0.5
    image = np.where(holes, 0, np.full((12, 17, 2), 200)).astype(np.uint16)

    assert set(np.unique(resample_image(image, size))) <= {0, 200}


@pytest.mark.parametrize("side", [2, 10])
def test_a_pixel_with_data_on_half_of_its_area_has_data(side):
    """With one row less than half, it is nodata."""
    image = np.zeros((side, side, 1), np.float32)
    image[: side // 2] = 100.0

    np.testing.assert_allclose(resample_image(image, (1, 1)), 100.0, rtol=1e-6)
    assert resample_image(image[1:], (1, 1)) == 0


def test_a_zero_in_one_band_is_data():
    """0 and 100 average to 50 if another band shows that both pixels have data."""
    image = np.array([[[0, 7], [100, 7]]], np.uint8)

    np.testing.assert_array_equal(resample_image(image, (1, 1)), [[[50, 7]]])


def test_a_checkerboard_is_shrunk_without_moire():
    """A checkerboard of 50 and 250 is 150 everywhere if blocks of four by six pixels become one."""
    image = np.where(np.add.outer(np.arange(64), np.arange(96)) % 2, 250, 50)[..., np.newaxis].astype(np.uint8)

    np.testing.assert_array_equal(resample_image(image, (16, 16)), 150)


@given(flips=st.sampled_from(list(itertools.product([1, -1], [1, -1]))), size=sizes)
def test_resampling_commutes_with_mirroring_and_transposing(flips, size):
    """No direction is favoured."""
    image = noise(24, 31, 2).astype(np.float64)
    rows, columns = flips

    expected = resample_image(image, size)

    np.testing.assert_allclose(resample_image(image[::rows, ::columns], size)[::rows, ::columns], expected, rtol=1e-9)
    np.testing.assert_allclose(resample_image(image.swapaxes(0, 1), size[::-1]).swapaxes(0, 1), expected, rtol=1e-9)
