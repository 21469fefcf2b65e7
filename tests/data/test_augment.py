"""Tests of augmentation: image and label move together, and no class appears."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.config.schema import AugmentConfig
from gym.data.augment import augment, draw_transform, has_changes, has_jitter, has_warp, jitter
from gym.data.labels import IGNORE

NOTHING = {
    "zoom": 0.0,
    "rotation": 0.0,
    "shift_rows": 0.0,
    "shift_columns": 0.0,
    "flip_horizontal": False,
    "flip_vertical": False,
}


def change(label, seed, **options):
    """Augment a label and an image with the same values in its first band."""
    image = np.stack([label, 255 - label], axis=-1).astype(np.float32)
    config = AugmentConfig(**{**NOTHING, **options})
    new_image, new_label = augment(tf.constant(image), tf.constant(label), config, tf.constant([3, seed], tf.int64))
    return new_image.numpy(), new_label.numpy()


def blocks(seed, rows=24, columns=40):
    rng = np.random.default_rng(seed)
    return np.kron(rng.choice([0, 3], (rows // 8, columns // 8)), np.ones((8, 8))).astype(np.uint8)


def test_without_options_nothing_changes():
    """The pair is returned exactly."""
    label = blocks(0)
    image, moved = change(label, 1)

    np.testing.assert_array_equal(moved, label)
    np.testing.assert_array_equal(image[..., 0], label)
    assert not has_changes(AugmentConfig(**NOTHING))


MOVES = {
    "zoom": 0.5,
    "rotation": 45.0,
    "shift_rows": 0.5,
    "shift_columns": 0.5,
    "flip_horizontal": True,
    "flip_vertical": True,
}
VALUES = {"brightness": 0.5, "contrast": 0.5, "noise": 0.5}


@pytest.mark.parametrize(("option", "value"), {**MOVES, **VALUES, "quarter_turns": True}.items())
def test_each_option_alone_changes_something(option, value):
    """Options that move pixels change image and label; the others change the image only."""
    label = np.random.default_rng(0).integers(0, 4, (24, 24), np.uint8)
    config = AugmentConfig(**{**NOTHING, option: value})
    still = change(label, 0)
    changed = [change(label, seed, **{option: value}) for seed in range(8)]

    assert has_changes(config)
    assert has_warp(config) == (option in MOVES)
    assert has_jitter(config) == (option in VALUES)
    assert any((image != still[0]).any() for image, _ in changed)
    assert any((moved != label).any() for _, moved in changed) == (option not in VALUES)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_no_class_appears(seed):
    """A label of 0 and 3 keeps these and IGNORE after any change; interpolation would create 1 and 2."""
    options = {"zoom": 0.3, "rotation": 180, "shift_rows": 0.2, "shift_columns": 0.2, "flip_vertical": True}
    _, moved = change(blocks(seed, 24, 24), seed, **options, **VALUES, quarter_turns=True)

    assert set(np.unique(moved)) <= {0, 3, IGNORE}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_image_and_label_move_together(seed):
    """Wherever the warped image has a pure value, the warped label has the same."""
    image, moved = change(blocks(seed), seed, zoom=0.3, rotation=90, shift_rows=0.2, shift_columns=0.2)
    pure = (image.sum(axis=-1) > 254.9) & np.isin(np.round(image[..., 0], 3), [0, 3])

    assert pure.any()
    np.testing.assert_array_equal(moved[pure], np.round(image[..., 0])[pure])


def test_flips_are_exact_mirrors():
    """Over several seeds, both the mirrored and the original pair occur, and nothing else."""
    label = blocks(5)
    results = [change(label, seed, flip_horizontal=True)[1] for seed in range(16)]
    mirrored = [np.array_equal(result, label[:, ::-1]) for result in results]

    assert any(mirrored)
    assert not all(mirrored)
    assert all(np.array_equal(result, label) or flag for result, flag in zip(results, mirrored, strict=True))


def test_a_quarter_turn_is_exact_on_a_square():
    """A rotation about the centre by 90 degrees maps pixel centres to pixel centres."""
    transform = draw_transform(AugmentConfig(**NOTHING), (4, 6), tf.constant([0, 0])).numpy()
    np.testing.assert_allclose(transform, [1, 0, 0, 0, 1, 0], atol=1e-6)

    for seed in range(5):
        a0, a1, a2, b0, b1, b2 = draw_transform(
            AugmentConfig(**{**NOTHING, "rotation": 180.0, "zoom": 0.5}), (4, 6), tf.constant([0, seed])
        ).numpy()
        centre = np.array([[a0, a1], [b0, b1]]) @ [2.5, 1.5] + [a2, b2]
        np.testing.assert_allclose(centre, [2.5, 1.5], atol=1e-5)


def test_pixels_from_outside_are_nodata_and_ignored():
    """A shift uncovers the same pixels in image and label."""
    image, moved = change(np.full((24, 40), 3, np.uint8), 2, shift_rows=0.5, shift_columns=0.5)
    outside = moved == IGNORE

    assert outside.any()
    assert not outside.all()
    assert (image[~outside].sum(axis=-1) > 0).all()


def test_a_change_depends_on_its_seed_only():
    """The same seed gives the same pair, another seed another one."""
    options = {"zoom": 0.3, "rotation": 20.0}
    first, again, other = (change(blocks(1), seed, **options)[0] for seed in (4, 4, 5))

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nodata_does_not_darken_its_neighbours():
    """A flat image stays flat along the edge of nodata, and image and label agree on where data is."""
    label = np.zeros((24, 40), np.uint8)
    label[:, 25:] = IGNORE
    image = np.where(label[..., None] == IGNORE, 0, 1000).astype(np.float32).repeat(2, axis=2)
    config = AugmentConfig(**{**NOTHING, "rotation": 30.0, "zoom": 0.2, "shift_rows": 0.2, "shift_columns": 0.2})

    for seed in range(8):
        moved, new_label = (x.numpy() for x in augment(image, label, config, tf.constant([1, seed], tf.int64)))
        np.testing.assert_allclose(moved[new_label == 0], 1000, rtol=1e-4)
        assert (new_label == 0).any()
        assert (moved[(new_label == IGNORE) & (moved[..., 0] < 500)] == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_one_pixel_of_nodata_changes_only_its_neighbourhood(seed):
    """Images with data everywhere skip a step, with exactly the same result."""
    label = np.zeros((24, 40), np.uint8)
    full = np.random.default_rng(seed).uniform(1, 2, (24, 40, 2)).astype(np.float32)
    dotted = full.copy()
    dotted[12, 20] = 0
    config = AugmentConfig(**{**NOTHING, "rotation": 30.0, "zoom": 0.2, "shift_rows": 0.1})
    moved, of_dotted = (augment(image, label, config, tf.constant([1, seed], tf.int64)) for image in (full, dotted))
    differ = (moved[0].numpy() != of_dotted[0].numpy()).any(axis=-1)

    assert 1 <= differ.sum() <= 16
    np.testing.assert_array_equal(moved[1].numpy()[~differ], of_dotted[1].numpy()[~differ])


def test_quarter_turns_are_exact():
    """All four occur about equally often over many seeds, in image and label alike."""
    label = np.arange(81, dtype=np.uint8).reshape(9, 9)
    turns = [np.rot90(label, count) for count in range(4)]
    found = []
    for seed in range(80):
        image, moved = change(label, seed, quarter_turns=True)
        found.append(next(count for count in range(4) if np.array_equal(moved, turns[count])))
        np.testing.assert_array_equal(image[..., 0], moved)
        np.testing.assert_array_equal(image[..., 1], 255 - moved)

    assert min(found.count(count) for count in range(4)) >= 8


def coast(rows=24, columns=40, bands=3, seed=0):
    """Bands with means 100, 200, ... and deviations 10, 20, ..., with a corner of nodata; and the mask of data."""
    spread = np.arange(1, bands + 1)
    image = (np.random.default_rng(seed).normal(100, 10, (rows, columns, bands)) * spread).astype(np.float32)
    image[:6, :8] = 0
    return image, image.any(axis=2)


@functools.cache
def graph_of_jitter(**options):
    """The jitter of a configuration as one graph, as ``tf.data`` runs it: hundreds of draws take seconds otherwise."""
    config = AugmentConfig(**{**NOTHING, **options})
    return tf.function(lambda image, seed: jitter(image, config, seed), autograph=False)


def jittered(image, seed, **options):
    return graph_of_jitter(**options)(tf.constant(image), tf.constant([7, seed], tf.int64)).numpy()


@pytest.mark.parametrize("options", [{"brightness": 0.5}, {"contrast": 0.5}, {"noise": 0.5}, VALUES])
def test_jitter_changes_neither_nodata_nor_labels(options):
    """Nodata stays 0 in every band, no other pixel becomes nodata, and no class changes."""
    image, has_data = coast()
    label = np.where(has_data, 1, IGNORE).astype(np.uint8)
    config = AugmentConfig(**{**NOTHING, **options})
    for seed in range(5):
        changed, same = augment(tf.constant(image), tf.constant(label), config, tf.constant([7, seed], tf.int64))
        np.testing.assert_array_equal(same, label)
        np.testing.assert_array_equal(changed.numpy().any(axis=2), has_data)
        assert changed.dtype == tf.float32
        assert (changed.numpy() != image)[has_data].all()


def test_an_image_without_data_stays_empty():
    """There is no division by zero pixels."""
    np.testing.assert_array_equal(jittered(np.zeros((8, 8, 2), np.float32), 0, **VALUES), 0)


def test_brightness_shifts_a_band_by_a_share_of_its_deviation():
    """The shift is uniform in both directions and equal for all pixels with data."""
    image, has_data = coast()
    deviation = image[has_data].std(axis=0)
    shares = []
    for seed in range(60):
        shifts = (jittered(image, seed, brightness=0.4) - image)[has_data]
        np.testing.assert_allclose(shifts, np.broadcast_to(shifts[0], shifts.shape), atol=1e-3)
        shares.append(shifts.mean(axis=0) / deviation)

    shares = np.array(shares)
    assert np.abs(shares).max() <= 0.4 + 1e-4
    np.testing.assert_allclose(shares.mean(), 0, atol=0.06)  # four standard errors: 0.4 / sqrt(3) / sqrt(180)
    np.testing.assert_allclose(shares.std(), 0.4 / np.sqrt(3), rtol=0.15)


def test_contrast_stretches_a_band_about_its_mean():
    """The factor is uniform around 1; the mean and the order of the pixels are kept."""
    image, has_data = coast()
    factors = []
    for seed in range(60):
        changed = jittered(image, seed, contrast=0.6)
        np.testing.assert_allclose(changed[has_data].mean(axis=0), image[has_data].mean(axis=0), rtol=1e-4)
        np.testing.assert_array_equal(
            np.argsort(changed[has_data][:, 0])[[0, -1]], np.argsort(image[has_data][:, 0])[[0, -1]]
        )
        factors.append(changed[has_data].std(axis=0) / image[has_data].std(axis=0))

    factors = np.array(factors)
    assert np.abs(factors - 1).max() <= 0.6 + 1e-4
    np.testing.assert_allclose(factors.mean(), 1, atol=0.1)
    np.testing.assert_allclose(factors.std(), 0.6 / np.sqrt(3), rtol=0.15)


def test_noise_has_the_stated_deviation_in_each_band():
    """It is normal with zero mean, relative to the deviation of the band, and independent for each pixel."""
    image, has_data = coast(120, 120)
    noise = (jittered(image, 1, noise=0.2) - image)[has_data] / image[has_data].std(axis=0)

    np.testing.assert_allclose(noise.std(axis=0), 0.2, rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose((np.abs(noise) < 0.2).mean(), 0.683, atol=0.02)
    np.testing.assert_allclose(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1], 0, atol=0.04)


@pytest.mark.parametrize(("option", "value"), [("brightness", 0.5), ("contrast", 0.5)])
def test_bands_vary_independently(option, value):
    """Neither the draws nor the noise of two bands are correlated."""
    image, has_data = coast()
    drawn = []
    for seed in range(150):
        changed = jittered(image, seed, **{option: value})[has_data]
        drawn.append(changed.mean(axis=0) if option == "brightness" else changed.std(axis=0))
    correlations = np.corrcoef(np.array(drawn).T)[np.triu_indices(3, 1)]
    noise = (jittered(image, 1, noise=0.5) - image)[has_data]

    assert np.abs(correlations).max() < 0.33  # four standard errors of 150 draws
    assert np.abs(np.corrcoef(noise.T)[np.triu_indices(3, 1)]).max() < 0.14


def test_brightness_and_contrast_are_independent():
    """A brighter band does not tend to have more contrast."""
    image, has_data = coast()
    changed = [jittered(image, seed, brightness=0.5, contrast=0.5)[has_data] for seed in range(150)]
    brightness, contrast = (np.array([measure(values, axis=0) for values in changed]) for measure in (np.mean, np.std))

    for band in range(3):
        assert abs(np.corrcoef(brightness[:, band], contrast[:, band])[0, 1]) < 0.33


def test_noise_does_not_change_the_other_draws():
    """Brightness and contrast are the same with and without noise."""
    image, has_data = coast(120, 120)
    plain, noisy = (jittered(image, 3, brightness=0.5, contrast=0.5, noise=noise) for noise in (0.0, 0.1))

    np.testing.assert_allclose(plain[has_data].mean(axis=0), noisy[has_data].mean(axis=0), rtol=1e-3)
    assert (plain != noisy)[has_data].all()


def test_jitter_depends_on_its_seed_only():
    """The same seed gives exactly the same image, another seed another one."""
    image, _ = coast()
    first, again, other = (jittered(image, seed, **VALUES) for seed in (4, 4, 5))

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_the_size_of_a_change_is_independent_of_units(unit):
    """Reflectance and counts change by the same share of their deviation."""
    image, _ = coast()
    reference = jittered(image, 2, **VALUES)

    np.testing.assert_allclose(jittered((image * unit).astype(np.float32), 2, **VALUES) / unit, reference, rtol=2e-3)
