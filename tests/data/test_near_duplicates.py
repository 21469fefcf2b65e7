"""Tests of perceptual hashes: changed copies are close, other scenes are far, and matches cross sides only."""

import io
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from gym.data.framing import resample_image
from gym.data.near_duplicates import NearDuplicate, match_hashes, perceptual_hash
from gym.data.readers.synthetic import draw_scene


def texture(seed=0, rows=96, columns=96, bands=3):
    """A smooth random image between 1 and 2, ``(rows, columns, bands)`` float64."""
    noise = np.random.default_rng(seed).normal(size=(rows, columns, bands))
    smooth = ndimage.gaussian_filter(noise, (rows / 16, columns / 16, 0), mode="wrap")
    return 1 + (smooth - smooth.min()) / np.ptp(smooth)


def distance(one, other):
    """The number of bits in which two hashes differ."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize(
    ("row_waves", "column_waves", "sign", "expected"),
    [
        (0, 1, 1, "4000000000000000"),
        (2, 0, 1, "0000800000000000"),
        (7, 7, 1, "0000000000000001"),
        (2, 0, -1, "0000000000000000"),
    ],
)
@pytest.mark.parametrize("side", [32, 64, 96])
def test_an_image_of_one_frequency_sets_one_bit(row_waves, column_waves, sign, expected, side):
    """Bits are in row-major order after that of the mean; half a wave across the image is the first frequency."""
    phase = np.pi * (np.arange(side) + 0.5) / side
    waves = np.outer(np.cos(row_waves * phase), np.cos(column_waves * phase))

    assert perceptual_hash(100 + sign * waves[..., np.newaxis]) == expected


@pytest.mark.parametrize(
    "seed", [0, 9, 10, 16]
)  # in all but the first, the normalization of the transform decides a bit
def test_the_hash_follows_the_formula_of_the_dct_hash(seed):
    """Area means, the orthonormal cosine transform and the median are written out."""
    image = np.random.default_rng(seed).integers(1, 255, (64, 96, 3), np.uint8)
    areas = [[image[2 * r : 2 * r + 2, 3 * c : 3 * c + 3].mean() for c in range(32)] for r in range(32)]
    waves = [[math.cos(math.pi * u * (2 * r + 1) / 64) * (1 if u else 0.5**0.5) for r in range(32)] for u in range(8)]

    strengths = [
        sum(areas[r][c] * waves[u][r] * waves[v][c] for r in range(32) for c in range(32))
        for u in range(8)
        for v in range(8)
    ][1:]

    bits = "".join(str(int(value > sorted(strengths)[31])) for value in strengths)
    assert perceptual_hash(image) == f"{int('0' + bits, 2):016x}"


@given(gain=st.floats(0.01, 100), offset=st.floats(-0.9, 100), seed=st.integers(0, 20))
def test_brightness_and_contrast_do_not_matter(gain, offset, seed):
    """A hash depends on the pattern only."""
    image = texture(seed)

    assert perceptual_hash(gain * (image + offset)) == perceptual_hash(image)


@pytest.mark.parametrize("size", [(32, 32), (50, 37), (20, 101)], ids=str)
def test_an_image_at_a_finer_resolution_has_the_same_hash(size):
    """Areas are exact even if a side is not a multiple of 32, or is shorter."""
    image = texture(rows=size[0], columns=size[1])

    assert perceptual_hash(image.repeat(3, axis=0).repeat(2, axis=1)) == perceptual_hash(image)


@pytest.fixture(scope="module")
def scenes():
    """Images of eight synthetic sites on five dates each, without and with nodata."""
    return [draw_scene(0, index, 128, 128, 8).image for index in range(40)]


def recompressed(image):
    """Red, green and blue after JPEG compression of medium quality."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream))


def test_changed_copies_are_close(scenes):
    """Noise, quantization and resampling change at most 4 bits."""
    rng = np.random.default_rng(0)
    for image in scenes:
        valid = image.any(axis=2, keepdims=True)
        noisy = np.maximum(image + rng.normal(0, 0.02 * image.max(), image.shape), 1) * valid
        shallow = (image / image.max() * 254 + 1).astype(np.uint8) * valid
        for changed in (noisy, shallow, resample_image(image, (115, 115)), resample_image(image, (64, 64))):
            assert distance(perceptual_hash(changed), perceptual_hash(image)) <= 4


def test_recompressed_copies_are_close(scenes):
    """JPEG changes at most 4 bits if there is no border of nodata to blur."""
    for image in (image for image in scenes if image.any(axis=2).all()):
        colours = (image[..., :3] / image[..., :3].max() * 255).astype(np.uint8)
        assert distance(perceptual_hash(recompressed(colours)), perceptual_hash(colours)) <= 4


def test_flips_and_other_scenes_are_far(scenes):
    """No two scenes are within 12 bits, not even scenes of one site."""
    hashes = [perceptual_hash(image) for image in scenes]

    assert min(distance(one, other) for at, one in enumerate(hashes) for other in hashes[:at]) > 12
    for image, own in zip(scenes, hashes, strict=True):
        for flipped in (image[::-1], image[:, ::-1], image[::-1, ::-1]):
            assert distance(perceptual_hash(flipped), own) > 12


def test_pixels_without_data_count_as_the_mean_of_the_others():
    """A pixel that is 0 in one band only has data."""
    image = texture(bands=2)
    image[..., 0] = np.where(image[..., 0] > 1.7, 0, image[..., 0])
    without, filled = image.copy(), image.copy()
    without[10:50, 20:30] = 0
    is_valid = without.any(axis=2)
    filled[~is_valid] = filled[is_valid].mean()

    assert perceptual_hash(without) == perceptual_hash(filled) != perceptual_hash(image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_the_hash_is_independent_of_the_type(dtype):
    """Sums do not overflow."""
    image = (texture() * 60).astype("uint8")

    assert perceptual_hash(image.astype(dtype)) == perceptual_hash(image.astype("float64"))


def wedge(value):
    """An image of a single value with nodata in one corner."""
    return np.tril(np.full((40, 40), value)).reshape(40, 40, 1).astype(np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 50, 3), np.uint8),
        np.full((40, 50, 3), 0.1, np.float32),
        np.full((40, 50, 3), 201, np.uint8),
        wedge(77),
        np.ones((1, 1, 1)),
        1.0 + np.indices((64, 64, 1)).sum(axis=0) % 2,
    ],
    ids=["no data", "one value", "one byte", "one value and nodata", "one pixel", "checkerboard"],
)
def test_an_image_without_a_pattern_has_no_hash(image):
    """All such images would match each other for no reason."""
    assert perceptual_hash(image) == ""


def test_images_of_noise_do_not_match():
    """Open water looks flat, but its noise tells one image from the next."""
    rng = np.random.default_rng(0)
    hashes = {str(number): perceptual_hash(rng.normal(500, 5, (64, 64, 3))) for number in range(20)}
    halves = [dict(list(hashes.items())[:10]), dict(list(hashes.items())[10:])]

    assert match_hashes(dict(zip(("training", "validation"), halves, strict=True)), 8) == []


def test_matches_are_sorted_by_distance_and_then_by_name():
    """Images on one side, too far apart or without a hash do not match."""
    hashes = {
        "training": {"t2": "00000000000000ff", "t1": "0000000000000000", "t3": "8000000000000000", "flat": ""},
        "validation": {"v1": "000000000000000f", "plain": ""},
        "test": {"e1": "800000000000000f"},
    }

    assert match_hashes(hashes, 4) == [
        NearDuplicate("v1", "e1", 1),
        NearDuplicate("t1", "v1", 4),
        NearDuplicate("t2", "v1", 4),
        NearDuplicate("t3", "e1", 4),
    ]


@given(
    codes=st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 63), max_size=12),
    cut=st.integers(0, 12),
    largest=st.integers(0, 64),
)
def test_matches_equal_those_of_pairwise_comparison(codes, cut, largest):
    """Any hashes give the same matches, even with an empty side."""
    named = {f"i{number:02d}": f"{code:016x}" for number, code in enumerate(codes)}
    first, second = (dict(list(named.items())[part]) for part in (slice(cut), slice(cut, None)))

    found = match_hashes({"training": first, "validation": second, "test": {}}, largest)

    expected = [
        NearDuplicate(one, other, distance(first[one], second[other]))
        for one in first
        for other in second
        if distance(first[one], second[other]) <= largest
    ]
    assert found == sorted(expected, key=lambda pair: (pair.distance, pair.first, pair.second))


def test_many_images_are_compared_in_little_memory():
    """Comparing 10,000 with 10,000 images never holds all distances at once."""
    codes = np.random.default_rng(0).integers(0, 2**64, 20_000, np.uint64)
    codes[[0, 9_999]] = codes[[19_999, 10_000]]
    hashes = [(f"i{number:05d}", f"{code:016x}") for number, code in enumerate(codes)]
    sides = {"training": dict(hashes[:10_000]), "validation": dict(hashes[10_000:])}

    tracemalloc.start()
    found = match_hashes(sides, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == [NearDuplicate("i00000", "i19999", 0), NearDuplicate("i09999", "i10000", 0)]
    assert peak < 60e6
