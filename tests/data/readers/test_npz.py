"""Tests of decoding npz files of Doodler and Segmentation Gym."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.core.errors import DataError
from gym.data.readers.archives import NpzFile, find_npz_files
from gym.data.readers.npz import (
    decode_doodler,
    decode_gym,
    decode_image,
    decode_label,
    decode_names,
    is_augmented,
    skip_augmented,
    skip_working_files,
)

NUMBERS = np.array([[0, 2, 1], [2, 2, 0]], np.uint8)
ONE_HOT = np.eye(3, dtype=np.uint8)[NUMBERS]
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
NAMES = np.array(["water", "sand", "other"])


@pytest.fixture
def write(tmp_path):
    """Write arrays into an npz."""

    def written(**arrays):
        np.savez_compressed(tmp_path / "x.npz", **arrays)
        return NpzFile(tmp_path / "x.npz")

    return written


def test_a_doodler_file_yields_the_unedited_image_classes_and_names(write):
    """The edited image is balanced for drawing and not used."""
    decoded = decode_doodler(write(orig_image=RGB, image=255 - RGB, label=ONE_HOT, classes=NAMES, doodles=NUMBERS))

    np.testing.assert_array_equal(decoded.image, RGB)
    np.testing.assert_array_equal(decoded.label, NUMBERS)
    assert decoded.label.dtype == np.uint8
    assert decoded.labelled is None
    assert decoded.names == ("water", "sand", "other")


def test_the_edited_image_is_the_fallback(write):
    """The unedited one may be absent, or larger than the label."""
    for arrays in ({"image": RGB}, {"image": RGB, "orig_image": np.zeros((4, 6, 3), np.uint8)}):
        np.testing.assert_array_equal(decode_doodler(write(label=ONE_HOT, **arrays)).image, RGB)


def test_older_states_are_ignored(write):
    """Keys that start with zeros are older; the newest state here has neither unedited image nor names."""
    older = {"0orig_image": 255 - RGB, "0label": ONE_HOT[..., ::-1], "0classes": NAMES, "00label": ONE_HOT[::-1]}

    decoded = decode_doodler(write(**older, image=RGB, label=ONE_HOT))

    np.testing.assert_array_equal(decoded.image, RGB)
    np.testing.assert_array_equal(decoded.label, NUMBERS)
    assert decoded.names == ()
    with pytest.raises(DataError, match=r"x\.npz lacks label: it holds 0label, image; Doodler files hold label"):
        decode_doodler(write(**{"0label": ONE_HOT}, image=RGB))


def test_a_label_may_have_fewer_layers_than_there_are_names(write):
    """Doodler writes layers up to the last class drawn; all water is a single layer of ones."""
    decoded = decode_doodler(write(image=RGB, label=np.ones((2, 3, 1), np.uint8), classes=NAMES))

    np.testing.assert_array_equal(decoded.label, np.zeros((2, 3)))
    assert decoded.names == ("water", "sand", "other")


def test_class_numbers_are_returned_unchanged(write):
    """Their meaning and type are not interpreted here."""
    numbers = np.array([[-1, 300, 7], [0, 0, 0]], np.int16)

    decoded = decode_doodler(write(image=RGB, label=numbers))

    np.testing.assert_array_equal(decoded.label, numbers)
    assert (decoded.label.dtype, decoded.labelled) == (np.int16, None)


def test_image_and_label_of_different_sizes_are_rejected(write):
    """The error states both sizes; a rotated label has another size, too."""
    turned = np.zeros((3, 2, 3), np.uint8)
    with pytest.raises(
        DataError, match=r"label of .*x\.npz has 2x3 pixels, but its image has 3x2; give both the same size"
    ):
        decode_doodler(write(label=ONE_HOT, image=turned))
    with pytest.raises(DataError, match=r"label of .*x\.npz has 2x3 pixels, but its image has 3x2"):
        decode_doodler(write(label=ONE_HOT, orig_image=turned))
    with pytest.raises(DataError, match=r"arr_1 of .*x\.npz has 2x3 pixels, but its image has 3x2"):
        decode_gym(write(arr_0=turned, arr_1=ONE_HOT))


def test_missing_arrays_are_named_with_the_present_ones(write):
    """The error suggests the reader for files of the other tool."""
    with pytest.raises(DataError, match=r"lacks label: it holds arr_0, arr_1; .* \(use data=gym_npz for files of Segm"):
        decode_doodler(write(arr_0=RGB, arr_1=ONE_HOT))
    with pytest.raises(DataError, match=r"lacks image: it holds label, classes; Doodler files hold label and im"):
        decode_doodler(write(label=ONE_HOT, classes=NAMES))
    with pytest.raises(
        DataError, match=r"lacks arr_0: it holds label, image; .* \(use data=doodler for files of Doodler"
    ):
        decode_gym(write(label=ONE_HOT, image=RGB))
    with pytest.raises(DataError, match=r"lacks arr_1: it holds arr_0, num_bands, files; files of Segmenta"):
        decode_gym(write(arr_0=RGB, num_bands=3, files=np.array(["a.jpg"])))
    with pytest.raises(DataError, match=r"lacks arr_0: it holds nothing; files of Segmentation Gym hold arr_0"):
        decode_gym(write())


def test_a_gym_file_yields_all_bands_and_no_names(write):
    """Labels are one-hot or class numbers, and there may be any number of bands."""
    five = np.arange(30, dtype=np.uint8).reshape(2, 3, 5)
    for label in (ONE_HOT, NUMBERS):
        decoded = decode_gym(write(arr_0=five, arr_1=label, num_bands=5, files=np.array(["a.jpg", "b.jpg"])))
        np.testing.assert_array_equal(decoded.image, five)
        np.testing.assert_array_equal(decoded.label, NUMBERS)
        assert (decoded.labelled, decoded.names) == (None, ())


def test_the_earliest_four_band_files_of_gym_have_the_label_in_the_third_array(write):
    """The second array is the fourth band; a third array of text is the name of the image."""
    near_infrared = np.full((2, 3), 9, np.uint8)

    decoded = decode_gym(write(arr_0=RGB, arr_1=near_infrared, arr_2=ONE_HOT))
    named = decode_gym(write(arr_0=RGB, arr_1=ONE_HOT, arr_2="images/a.jpg"))

    np.testing.assert_array_equal(decoded.image, np.dstack([RGB, near_infrared]))
    np.testing.assert_array_equal(decoded.label, NUMBERS)
    np.testing.assert_array_equal(named.image, RGB)
    with pytest.raises(DataError, match=r"arr_1 of .*x\.npz has 3x2 pixels, but its image has 2x3"):
        decode_gym(write(arr_0=RGB, arr_1=near_infrared.T, arr_2=ONE_HOT))


@given(
    hnp.arrays(np.int64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.integers(0, 6)),
    st.sampled_from([np.uint8, np.int64, np.float32, np.bool_]),
)
def test_one_hot_labels_become_class_numbers(numbers, dtype):
    """The type of the layers does not matter."""
    label, labelled = decode_label(np.eye(7, dtype=dtype)[numbers], "x")

    np.testing.assert_array_equal(label, numbers)
    assert labelled is None


def test_pixels_without_a_class_are_unlabelled():
    """They do not become class 0."""
    raw = ONE_HOT.copy()
    raw[0, 1] = raw[1, 2] = 0

    label, labelled = decode_label(raw, "x")

    np.testing.assert_array_equal(labelled, [[True, False, True], [True, True, False]])
    np.testing.assert_array_equal(label[labelled], NUMBERS[labelled])


def test_a_boolean_mask_has_two_classes():
    """False is 0, and True is 1."""
    label, _ = decode_label(NUMBERS == 2, "x")

    np.testing.assert_array_equal(label, [[0, 1, 0], [1, 1, 0]])
    assert label.dtype == np.uint8


FAULTY_LABELS = [
    (ONE_HOT | np.array([1, 0, 0], np.uint8), r"assigns several classes to 4 pixels, .*FILTER_VALUE 0\)"),
    (ONE_HOT * 0, "assigns no class to any of its 6 pixels; label them or remove the file"),
    (
        np.repeat(NUMBERS[..., None], 3, 2),
        r"holds 2 \(9 of 18 values\), but one-hot layers must be 0 or 1; save class numbers",
    ),
    (ONE_HOT * 0.5, r"holds 0\.5 \(6 of 18 values\), but one-hot layers must be 0 or 1"),
    (ONE_HOT * np.nan, r"holds nan \(18 of 18 values\)"),
    (ONE_HOT[..., :1], "has a single layer of 0 and 1, which may mean one class or two; save class numbers"),
    (np.zeros((1, 1, 256), np.uint8), "has 256 classes, but at most 255 are supported; merge some"),
    (
        NAMES[NUMBERS],
        r"is <U5 of shape \(2, 3\); it must be a non-empty array of numbers of shape \(rows, "
        r"columns\) or \(rows, columns, cl",
    ),
    (NUMBERS[0], r"is uint8 of shape \(3,\); it must be a non-empty array of numbers of shape"),
    (
        NUMBERS[:0],
        r"is uint8 of shape \(0, 3\); it must be a non-empty array of numbers of shape .*: correct or remove the file",
    ),
]


@pytest.mark.parametrize(("raw", "message"), FAULTY_LABELS)
def test_ambiguous_labels_are_rejected(raw, message):
    """The error states what they contain and how often."""
    with pytest.raises(DataError, match=f"label of x {message}"):
        decode_label(raw, "label of x")


def test_an_image_keeps_its_type_and_gains_a_band_axis():
    """16 bits are kept, a grey image has one band, and a mask becomes numbers."""
    grey = np.array([[300, 60000]], np.uint16)

    assert decode_image(RGB, "x") is RGB
    np.testing.assert_array_equal(decode_image(grey, "x"), [[[300], [60000]]])
    assert decode_image(grey, "x").dtype == np.uint16
    assert decode_image(grey > 300, "x").dtype == np.uint8


def test_a_pixel_that_is_not_finite_in_one_band_has_no_data():
    """It is 0 in every band, as in every other kind of file."""
    raw = np.array([[[np.nan, 5], [7, np.inf], [1, 2]]], np.float32)

    image = decode_image(raw, "x")

    np.testing.assert_array_equal(image, [[[0, 0], [0, 0], [1, 2]]])
    assert image.dtype == np.float32


@pytest.mark.parametrize("raw", [np.zeros(3), np.zeros((1, 2, 3, 4)), np.zeros((0, 2, 3)), NAMES[NUMBERS]])
def test_an_image_of_another_type_or_shape_is_rejected(raw):
    """The error states both."""
    pattern = re.escape(
        f"image of x is {raw.dtype} of shape {raw.shape}; it must be a non-empty array of numbers "
        "of shape (rows, columns) or"
    )
    with pytest.raises(DataError, match=pattern):
        decode_image(raw, "image of x")


def test_spaces_and_quotes_around_names_are_removed():
    """They come from text files of classes."""
    assert decode_names(np.array(["'water'", "dry sand\n", ' "x y" ']), "x") == ("water", "dry sand", "x y")
    assert decode_names(None, "x") == ()


@pytest.mark.parametrize("raw", [np.array("water"), np.arange(3), np.array([["a"]]), np.array(["a"] * 256)])
def test_names_that_are_not_a_list_of_strings_are_rejected(raw):
    """Otherwise a name might shift to another class."""
    pattern = re.escape(
        f"classes of x are {raw.dtype} of shape {raw.shape}; they must be a list of at most 255 strings"
    )
    with pytest.raises(DataError, match=pattern):
        decode_names(raw, "classes of x")


def files_of(*stems):
    return [NpzFile(Path("npzs") / f"{stem}.npz") for stem in stems]


def by_stem(files):
    """Files named as by `find_npz_files`."""
    return {npz.stem: npz for npz in files}


def test_augmented_copies_are_skipped_if_there_are_originals():
    """Otherwise, training could see a copy of a validation image."""
    files = files_of("l8_aug_nd_data_0000000", "l8_noaug_nd_data_0000000", "l8_augimage_00000012", "aug_shore")

    kept, left_out = skip_augmented(by_stem(files))

    assert list(kept.values()) == [files[1], files[3]]
    assert left_out == {str(files[place]): "is an augmented copy; only unaugmented files are used." for place in (0, 2)}


def test_augmented_copies_are_kept_without_originals():
    """The earliest datasets hold nothing else."""
    files = files_of("l8_aug_nd_data_0000000", "l8_aug_nd_data_0000001")

    assert skip_augmented(by_stem(files)) == (by_stem(files), {})
    assert all(is_augmented(npz) for npz in files)
    assert not is_augmented(files_of("l8_noaug_nd_data_0000000")[0])


def test_working_files_of_doodler_are_skipped_if_they_repeat_a_scene():
    """One without its original is the only file of its scene."""
    files = files_of("a", "a_labelgen", "b_labelgen")

    kept, left_out = skip_working_files(by_stem(files))

    assert list(kept.values()) == [files[0], files[2]]
    assert left_out == {str(files[1]): "shows the same scene as a, which is used."}


def test_the_real_doodler_files_decode_to_their_listed_classes(real_data):
    """Sizes and class names agree with the list in their folder, and labels with the largest layer."""
    listed = {}
    for line in (real_data / "doodler" / "classes.csv").read_text(encoding="utf-8").splitlines()[1:]:
        _, name, classes = line.split(",")
        listed[name] = tuple(classes.split("|"))
    shapes = set()

    for npz in find_npz_files([real_data / "doodler"])[0].values():
        decoded = decode_doodler(npz)
        with np.load(npz.path) as whole:
            np.testing.assert_array_equal(decoded.image, whole["orig_image"])
            np.testing.assert_array_equal(decoded.label, np.argmax(whole["label"], axis=2))
        assert decoded.names == listed[npz.path.name]
        assert decoded.labelled is None
        shapes.add(decoded.image.shape)

    assert shapes == {(768, 768, 3), (229, 408, 3), (306, 172, 3)}
