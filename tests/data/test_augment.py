"""Image and label move together to the pixel, and no class appears that was not there."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from gym.config import AugmentConfig
from gym.data.augment import augment, changes_anything, draw_transform
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
    """Augment a label and an image that says the same in its first band."""
    image = np.stack([label, 255 - label], axis=-1).astype(np.float32)
    config = AugmentConfig(**{**NOTHING, **options})
    new_image, new_label = augment(tf.constant(image), tf.constant(label), config, tf.constant([3, seed], tf.int64))
    return new_image.numpy(), new_label.numpy()


def blocks(seed, rows=24, columns=40):
    rng = np.random.default_rng(seed)
    return np.kron(rng.choice([0, 3], (rows // 8, columns // 8)), np.ones((8, 8))).astype(np.uint8)


def test_no_change_is_no_change():
    """With everything off the pair comes through to the bit."""
    label = blocks(0)
    image, moved = change(label, 1)

    np.testing.assert_array_equal(moved, label)
    np.testing.assert_array_equal(image[..., 0], label)
    assert not changes_anything(AugmentConfig(**NOTHING))


@pytest.mark.parametrize(
    "option", ["zoom", "rotation", "shift_rows", "shift_columns", "flip_horizontal", "flip_vertical"]
)
def test_each_option_alone_changes_something(option):
    """No option does nothing."""
    value = True if option.startswith("flip") else 0.5 if option != "rotation" else 45.0
    label = blocks(0)

    assert changes_anything(AugmentConfig(**{**NOTHING, option: value}))
    assert any((change(label, seed, **{option: value})[1] != label).any() for seed in range(8))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_no_class_appears_that_was_not_there(seed):
    """A mask of 0 and 3 has 0, 3 and what comes from outside after any change; interpolation would give 1 and 2."""
    _, moved = change(blocks(seed), seed, zoom=0.3, rotation=180, shift_rows=0.2, shift_columns=0.2, flip_vertical=True)

    assert set(np.unique(moved)) <= {0, 3, IGNORE}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_image_and_label_move_together(seed):
    """Where the moved image is a pure value, the moved label has that very value."""
    image, moved = change(blocks(seed), seed, zoom=0.3, rotation=90, shift_rows=0.2, shift_columns=0.2)
    pure = (image.sum(axis=-1) > 254.9) & np.isin(np.round(image[..., 0], 3), [0, 3])

    assert pure.any()
    np.testing.assert_array_equal(moved[pure], np.round(image[..., 0])[pure])


def test_flips_are_exact_mirrors():
    """Over some seeds both a mirrored and an unmirrored pair occur, and nothing else."""
    label = blocks(5)
    results = [change(label, seed, flip_horizontal=True)[1] for seed in range(16)]
    mirrored = [np.array_equal(result, label[:, ::-1]) for result in results]

    assert any(mirrored)
    assert not all(mirrored)
    assert all(np.array_equal(result, label) or flag for result, flag in zip(results, mirrored, strict=True))


def test_a_quarter_turn_is_exact_on_a_square():
    """A rotation about the centre takes pixel centres to pixel centres: the centre is where it should be."""
    transform = draw_transform(AugmentConfig(**NOTHING), tf.constant([4, 6]), tf.constant([0, 0])).numpy()
    np.testing.assert_allclose(transform, [1, 0, 0, 0, 1, 0, 0, 0], atol=1e-6)

    for seed in range(5):
        a0, a1, a2, b0, b1, b2, _, _ = draw_transform(
            AugmentConfig(**{**NOTHING, "rotation": 180.0, "zoom": 0.5}), tf.constant([4, 6]), tf.constant([0, seed])
        ).numpy()
        centre = np.array([[a0, a1], [b0, b1]]) @ [2.5, 1.5] + [a2, b2]
        np.testing.assert_allclose(centre, [2.5, 1.5], atol=1e-5)


def test_what_comes_from_outside_is_nodata_and_ignored():
    """A shift uncovers pixels of 0 in the image and IGNORE in the label, the same ones."""
    image, moved = change(np.full((24, 40), 3, np.uint8), 2, shift_rows=0.5, shift_columns=0.5)
    outside = moved == IGNORE

    assert outside.any()
    assert not outside.all()
    assert (image[~outside].sum(axis=-1) > 0).all()


def test_a_change_is_a_function_of_its_seed():
    """The same seed gives the same pair, another seed another."""
    options = {"zoom": 0.3, "rotation": 20.0}
    first, again, other = (change(blocks(1), seed, **options)[0] for seed in (4, 4, 5))

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nodata_does_not_darken_its_neighbours():
    """Along the rim of what has data a flat image stays flat, and label and image agree on where data is."""
    label = np.zeros((24, 40), np.uint8)
    label[:, 25:] = IGNORE
    image = np.where(label[..., None] == IGNORE, 0, 1000).astype(np.float32).repeat(2, axis=2)
    config = AugmentConfig(**{**NOTHING, "rotation": 30.0, "zoom": 0.2, "shift_rows": 0.2, "shift_columns": 0.2})

    for seed in range(8):
        moved, new_label = (x.numpy() for x in augment(image, label, config, tf.constant([1, seed], tf.int64)))
        np.testing.assert_allclose(moved[new_label == 0], 1000, rtol=1e-4)
        assert (new_label == 0).any()
        assert (moved[(new_label == IGNORE) & (moved[..., 0] < 500)] == 0).all()
