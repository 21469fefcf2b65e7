"""Tests of the mapping from label values and names to class indices."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gym.core.errors import ConfigError, DataError
from gym.data.labels import IGNORE, MAX_CLASSES, LabelRule, count_classes, normalize_name, read_aliases, remap_label

CLASSES = ("water", "sand", "other")
PLAIN = LabelRule(CLASSES)


def total_by_source(counts):
    """Pixels by value or name in the file, summed over classes."""
    return {in_file: sum(classes.values()) for in_file, classes in counts.items()}


def remap(raw, rule=PLAIN, names=(), labelled=None):
    """The class indices alone."""
    return remap_label(np.asarray(raw), rule, "shore.png", names, labelled)[0]


def test_swapping_two_classes_keeps_both():
    """A remap of {0: 1, 1: 0} swaps two classes; applied one entry after the other, it would merge them."""
    np.testing.assert_array_equal(remap([[0, 1], [1, 2]], LabelRule(CLASSES, {0: 1, 1: 0, 2: 2})), [[1, 0], [0, 2]])


def test_several_values_may_share_a_class_and_some_are_ignored():
    """As for Coast Train, many values map to few classes, given by index or by name, and nodata is ignored."""
    rule = LabelRule(CLASSES, {3: 0, 4: "water", 9: " Other "}, (-1,))

    label = remap(np.array([[-1, 3, 4, 9]], np.int16), rule)

    np.testing.assert_array_equal(label, [[IGNORE, 0, 0, 2]])
    assert label.dtype == np.uint8


@pytest.mark.parametrize("value", [3, 255, -1, 70000])
def test_an_unknown_value_is_rejected_with_file_and_count(value):
    """An unknown value neither becomes a row of zeros in the one-hot label nor wraps around to another class."""
    with pytest.raises(
        DataError,
        match=rf"shore\.png: label value {value} \(2 pixels\) is not one of the classes 0\.\.2; map it, as in "
        rf"data\.remap={{{value}:0}}, or ignore it with data\.ignore_values=\[{value}\]\.$",
    ):
        remap([[0, value], [value, 1]])


def test_a_remap_must_list_every_value():
    """A value missing from the remap does not keep its number, which may mean another class."""
    with pytest.raises(
        DataError, match=r"label value 0 \(1 pixel\) is not in data\.remap=\{1: 0, 2: 1\}; map it, as in"
    ):
        remap([[0, 1, 2]], LabelRule(CLASSES, {1: 0, 2: 1}))


def test_a_remap_to_an_unknown_class_is_rejected():
    """A target out of range that slips past configuration checks does not invent a class."""
    with pytest.raises(DataError, match=r"label value 1 \(1 pixel\) is not in data\.remap"):
        remap([[0, 1]], LabelRule(CLASSES, {0: 0, 1: 3}))


def test_float_labels_must_be_whole_numbers():
    """2.0 is class 2, whereas 1.5, NaN and infinity are not classes."""
    np.testing.assert_array_equal(remap([[2.0, -0.0]]), [[2, 0]])
    for value, worded in ((1.5, r"1\.5"), (np.nan, "nan"), (-np.inf, "-inf"), (1e30, r"1e\+30")):
        with pytest.raises(DataError, match=rf"label value {worded} \(1 pixel\) is not a whole number; save the label"):
            remap([[0.0, value]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unlabelled_pixels_of_float_labels_may_hold_anything(dtype):
    """Float rasters often use NaN or the lowest float as their nodata value."""
    raw = np.array([[np.nan, np.finfo(dtype).min, 1.5, 2]], dtype)

    label = remap(raw, labelled=np.array([[False, False, False, True]]))

    np.testing.assert_array_equal(label, [[IGNORE, IGNORE, IGNORE, 2]])


@given(hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 5)), st.permutations(range(6)))
def test_remapping_is_a_lookup_per_pixel(raw, order):
    """Each pixel is mapped by its own value alone."""
    rule = LabelRule(tuple(map(str, range(6))), dict(enumerate(order)))

    np.testing.assert_array_equal(remap(raw, rule), np.array(order)[raw])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_the_extremes_of_each_integer_type_can_be_remapped(dtype):
    """Values far apart neither wrap around, nor overflow, nor need a table of four billion rows."""
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    rule = LabelRule(CLASSES, {low: 2, high: 0, high - 1: 1})

    label, counts = remap_label(np.array([[low, high], [high, high - 1]], dtype), rule, "x")
    near, _ = remap_label(np.array([[high, high - 1]], dtype), rule, "x")

    np.testing.assert_array_equal(label, [[2, 0], [0, 1]])
    np.testing.assert_array_equal(near, [[0, 1]])
    assert total_by_source(counts) == {str(low): 1, str(high - 1): 1, str(high): 2}


@given(
    raw=hnp.arrays(np.int32, (2, 5), elements=st.integers(-(2**31), 2**31 - 1)),
    labelled=hnp.arrays(bool, (2, 5)),
)
def test_every_labelled_pixel_is_counted_once_under_its_value(raw, labelled):
    """Label counts agree with a loop over the pixels and leave out unlabelled ones."""
    kept = raw[labelled].tolist()
    rule = LabelRule(CLASSES, {value: value % 3 for value in kept})

    label, counts = remap_label(raw, rule, "x", (), labelled)

    assert total_by_source(counts) == {str(value): kept.count(value) for value in kept}
    np.testing.assert_array_equal(label[~labelled], IGNORE)
    np.testing.assert_array_equal(label[labelled], [value % 3 for value in kept])


def test_unlabelled_pixels_may_have_unknown_values():
    """The value of an unlabelled pixel is neither a class nor an error."""
    label, counts = remap_label(np.array([[0, 77, 1]]), PLAIN, "x", (), np.array([[True, False, True]]))

    np.testing.assert_array_equal(label, [[0, IGNORE, 1]])
    assert total_by_source(counts) == {"0": 1, "1": 1}


def test_the_names_in_a_file_decide_what_its_values_mean():
    """Two files may number the same names differently; case and surrounding spaces do not matter."""
    first = remap([[0, 1, 2]], PLAIN, ("water", "sand", "other"))
    second = remap([[2, 1, 0]], PLAIN, (" Other", "SAND", "water "))

    np.testing.assert_array_equal(first, second)


def test_names_are_remapped_ignored_or_resolved_by_alias():
    """A rule for the name itself takes precedence over a rule for its alias."""
    rule = LabelRule(
        CLASSES,
        {"Surf": "water", "sediment": 1, "vegetated": 2},
        ("nodata", "glint"),
        {"gravel": "sediment", "dev": "other", "surf": "other", "haze": "glint", "nodata": "other"},
    )
    names = ("water", "surf", "gravel", "DEV", "nodata", "haze", "vegetated")

    label, counts = remap_label(np.arange(7)[np.newaxis], rule, "x", names)

    np.testing.assert_array_equal(label, [[0, 0, 1, 2, IGNORE, IGNORE, 2]])
    assert total_by_source(counts) == dict.fromkeys(names, 1)


def test_unused_names_need_no_class():
    """Doodler lists every class of a project in every file."""
    np.testing.assert_array_equal(remap([[0, 0]], PLAIN, ("water", "martian soil")), [[0, 0]])


def test_a_name_listed_twice_is_counted_together():
    """Two values with one name belong to the same entry of the label counts."""
    assert remap_label(np.array([[0, 1, 1]]), PLAIN, "x", ("sand", "sand"))[1] == {"sand": {"sand": 3}}


def test_an_unknown_name_is_rejected_with_both_remedies():
    """The error states the name, its pixels, the classes, and how to remap or ignore the name."""
    with pytest.raises(
        DataError,
        match=r"^shore\.png: label name marsh \(2 pixels\) is not one of the classes water, sand, other; map it, as in "
        r"data\.remap=\{marsh:other\}, or ignore it with data\.ignore_values=\[marsh\]\.$",
    ):
        remap([[0, 1, 1]], PLAIN, ("water", "marsh"))


@pytest.mark.parametrize("value", [2, -1])
def test_a_value_without_a_name_is_rejected(value):
    """In a file with names, a negative value does not count from the end of the list."""
    with pytest.raises(
        DataError,
        match=rf"label value {value} \(1 pixel\) is not one of the 2 values that the file names; map it, as in "
        rf"data\.remap={{{value}:0}}, or ignore it with data\.ignore_values=\[{value}\]\.$",
    ):
        remap([[0, value]], PLAIN, ("water", "sand"))


def test_coast_train_aliases_resolve_to_its_super_classes(real_data):
    """Each class of the release maps to one of the seven super-classes, unless it is ignored by name."""
    path = real_data / "coast_train_metadata" / "remap_coast_train_classes_l8.json"
    content = json.loads(path.read_text())
    super_classes = tuple(content["super_classes"])
    rule = LabelRule(super_classes, {}, ("nodata",), read_aliases(path))

    label, counts = remap_label(np.arange(11)[np.newaxis], rule, "x", content["classes"])

    expected = [
        IGNORE if name == "nodata" else super_classes.index(content["aliases"].get(name, name))
        for name in content["classes"]
    ]
    np.testing.assert_array_equal(label, [expected])
    assert label.tolist() == [[0, 1, 2, 5, 4, 5, 3, 6, IGNORE, 6, 6]]
    assert total_by_source(counts) == dict.fromkeys(content["classes"], 1)


def test_aliases_are_read_from_the_top_level_or_from_their_key(tmp_path):
    """Either way, case and surrounding spaces of the names are dropped."""
    (tmp_path / "bare.json").write_text('{" Surf ": "Whitewater"}')
    (tmp_path / "under.json").write_text('{"aliases": {"surf": "whitewater"}, "classes": []}')

    assert read_aliases(tmp_path / "bare.json") == read_aliases(tmp_path / "under.json") == {"surf": "whitewater"}
    assert normalize_name(" Wet Sand ") == "wet sand"


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"aliases": 3}', b"\xff\xfe{"])
def test_a_file_that_holds_no_aliases_is_rejected(tmp_path, content):
    """Neither invalid JSON, nor a list, nor numbers in place of names are aliases."""
    path = tmp_path / "aliases.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(
        ConfigError,
        match=r"data\.aliases=.*\.json must be a JSON file that maps names to names, as in \{.*\} \(",
    ):
        read_aliases(path)


def test_ignored_pixels_are_not_counted():
    """There is one count per class, zero for an absent one, up to the largest possible number of classes."""
    np.testing.assert_array_equal(count_classes(np.array([[0, 2, 2, IGNORE]], np.uint8), 4), [1, 0, 2, 0])
    full = count_classes(np.arange(256, dtype=np.uint8)[np.newaxis], MAX_CLASSES)
    np.testing.assert_array_equal(full, np.ones(255))
    assert full.dtype == np.int64


def test_a_remapped_value_takes_precedence_over_its_name():
    """A remap by number applies to files with names, too, so that it is never silently without effect."""
    rule = LabelRule(("water", "sand"), {1: "sand"}, (2,))

    label, counts = remap_label(np.array([[0, 1, 2]]), rule, "x", ("water", "water", "sand"))

    np.testing.assert_array_equal(label, [[0, 1, IGNORE]])
    assert total_by_source(counts) == {"water": 2, "sand": 1}
