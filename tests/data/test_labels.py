"""Label values become classes all at once, or are refused by name and count."""

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


def counted(became):
    """Pixels by what stood in the file, whatever it became."""
    return {known_as: sum(classes.values()) for known_as, classes in became.items()}


def remapped(raw, rule=PLAIN, names=(), labelled=None):
    """The classes alone."""
    return remap_label(np.asarray(raw), rule, "shore.png", names, labelled)[0]


def test_swapping_two_classes_keeps_both():
    """{0: 1, 1: 0} swaps; applied one after the other, as the original does, it would leave one class."""
    np.testing.assert_array_equal(remapped([[0, 1], [1, 2]], LabelRule(CLASSES, {0: 1, 1: 0, 2: 2})), [[1, 0], [0, 2]])


def test_several_values_may_share_a_class_and_some_are_ignored():
    """The Coast Train idea: many values to few classes, nodata to nothing; classes by index or name."""
    rule = LabelRule(CLASSES, {3: 0, 4: "water", 9: " Other "}, (-1,))

    label = remapped(np.array([[-1, 3, 4, 9]], np.int16), rule)

    np.testing.assert_array_equal(label, [[IGNORE, 0, 0, 2]])
    assert label.dtype == np.uint8


@pytest.mark.parametrize("value", [3, 255, -1, 70000])
def test_a_value_that_is_no_class_is_refused_with_file_and_count(value):
    """It does not become an all-zero row or wrap around to some class."""
    with pytest.raises(
        DataError,
        match=rf"shore\.png: label value {value} \(2 pixels\) is none of the classes 0\.\.2; map it, as in "
        rf"data\.remap={{{value}:0}}, or leave it out with data\.ignore_values=\[{value}\]\.$",
    ):
        remapped([[0, value], [value, 1]])


def test_a_remap_must_list_every_value():
    """A value that it forgets does not keep its number, which may mean another class."""
    with pytest.raises(
        DataError, match=r"label value 0 \(1 pixels\) is not in data\.remap=\{1: 0, 2: 1\}; map it, as in"
    ):
        remapped([[0, 1, 2]], LabelRule(CLASSES, {1: 0, 2: 1}))


def test_a_remap_to_no_class_is_refused():
    """Should one get past the check of the configuration, no pixel gets a class that is not there."""
    with pytest.raises(DataError, match=r"label value 1 \(1 pixels\) is not in data\.remap"):
        remapped([[0, 1]], LabelRule(CLASSES, {0: 0, 1: 3}))


def test_labels_stored_as_floats_must_be_whole():
    """2.0 is class 2; 1.5 is a label that was interpolated, and infinity none at all."""
    np.testing.assert_array_equal(remapped([[2.0, -0.0]]), [[2, 0]])
    for value, worded in ((1.5, r"1\.5"), (np.nan, "nan"), (-np.inf, "-inf"), (1e30, r"1e\+30")):
        with pytest.raises(DataError, match=rf"label value {worded} \(1 pixels\) is no whole number; labels must be"):
            remapped([[0.0, value]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unlabelled_pixels_of_float_labels_may_hold_anything(dtype):
    """The nodata of a float raster is often NaN or the lowest float there is."""
    raw = np.array([[np.nan, np.finfo(dtype).min, 1.5, 2]], dtype)

    label = remapped(raw, labelled=np.array([[False, False, False, True]]))

    np.testing.assert_array_equal(label, [[IGNORE, IGNORE, IGNORE, 2]])


@given(hnp.arrays(np.uint8, (3, 4), elements=st.integers(0, 5)), st.permutations(range(6)))
def test_remapping_is_a_lookup(raw, order):
    """Every pixel takes the class of its own value, whatever the others become."""
    rule = LabelRule(tuple(map(str, range(6))), dict(enumerate(order)))

    np.testing.assert_array_equal(remapped(raw, rule), np.array(order)[raw])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
def test_the_extremes_of_a_type_are_values_like_others(dtype):
    """Neither wraps, overflows or needs a table of four thousand million rows; near or far from each other."""
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    rule = LabelRule(CLASSES, {low: 2, high: 0, high - 1: 1})

    label, became = remap_label(np.array([[low, high], [high, high - 1]], dtype), rule, "x")
    near, _ = remap_label(np.array([[high, high - 1]], dtype), rule, "x")

    np.testing.assert_array_equal(label, [[2, 0], [0, 1]])
    np.testing.assert_array_equal(near, [[0, 1]])
    assert counted(became) == {str(low): 1, str(high - 1): 1, str(high): 2}


@given(
    raw=hnp.arrays(np.int32, (2, 5), elements=st.integers(-(2**31), 2**31 - 1)),
    labelled=hnp.arrays(bool, (2, 5)),
)
def test_every_labelled_pixel_is_counted_once_under_its_value(raw, labelled):
    """As a plain loop over the pixels finds it, whatever the values; unlabelled ones count nowhere."""
    kept = raw[labelled].tolist()
    rule = LabelRule(CLASSES, {value: value % 3 for value in kept})

    label, became = remap_label(raw, rule, "x", (), labelled)

    assert counted(became) == {str(value): kept.count(value) for value in kept}
    np.testing.assert_array_equal(label[~labelled], IGNORE)
    np.testing.assert_array_equal(label[labelled], [value % 3 for value in kept])


def test_unlabelled_pixels_count_nowhere_even_if_their_value_means_nothing():
    """What the file says nothing about is neither a class nor an error."""
    label, became = remap_label(np.array([[0, 77, 1]]), PLAIN, "x", (), np.array([[True, False, True]]))

    np.testing.assert_array_equal(label, [[0, IGNORE, 1]])
    assert counted(became) == {"0": 1, "1": 1}


def test_names_in_the_file_are_what_its_values_mean():
    """Two files may number the same names differently; capitals and outer spaces are no difference."""
    first = remapped([[0, 1, 2]], PLAIN, ("water", "sand", "other"))
    second = remapped([[2, 1, 0]], PLAIN, (" Other", "SAND", "water "))

    np.testing.assert_array_equal(first, second)


def test_names_are_remapped_ignored_and_known_by_other_names():
    """A rule for the name itself goes before one for what it is also known as."""
    rule = LabelRule(
        CLASSES,
        {"Surf": "water", "sediment": 1, "vegetated": 2},
        ("nodata", "glint"),
        {"gravel": "sediment", "dev": "other", "surf": "other", "haze": "glint", "nodata": "other"},
    )
    names = ("water", "surf", "gravel", "DEV", "nodata", "haze", "vegetated")

    label, became = remap_label(np.arange(7)[np.newaxis], rule, "x", names)

    np.testing.assert_array_equal(label, [[0, 0, 1, 2, IGNORE, IGNORE, 2]])
    assert counted(became) == dict.fromkeys(names, 1)


def test_names_that_a_file_lists_but_does_not_use_need_no_class():
    """Doodler lists every class of a project in every file."""
    np.testing.assert_array_equal(remapped([[0, 0]], PLAIN, ("water", "martian soil")), [[0, 0]])


def test_a_name_that_stands_twice_is_counted_together():
    """Both values are of that name."""
    assert remap_label(np.array([[0, 1, 1]]), PLAIN, "x", ("sand", "sand"))[1] == {"sand": {"sand": 3}}


def test_a_name_that_is_no_class_is_refused_with_what_to_write():
    """The name, its pixels, the classes, and both ways out."""
    with pytest.raises(
        DataError,
        match=r"^shore\.png: label name marsh \(2 pixels\) is none of the classes water, sand, other; map it, as in "
        r"data\.remap=\{marsh:other\}, or leave it out with data\.ignore_values=\[marsh\]\.$",
    ):
        remapped([[0, 1, 1]], PLAIN, ("water", "marsh"))


@pytest.mark.parametrize("value", [2, -1])
def test_a_value_without_a_name_is_refused(value):
    """In a file that has names, also below 0, where Python would count from the end."""
    with pytest.raises(
        DataError, match=rf"label value {value} \(1 pixels\) has no name among the 2 of the file; mend the file\.$"
    ):
        remapped([[0, value]], PLAIN, ("water", "sand"))


def test_the_aliases_of_coast_train_lead_to_its_super_classes(real_data):
    """Every class of the release is one of the seven, and what is ignored by name stays out whatever its alias."""
    place = real_data / "coast_train_metadata" / "remap_coast_train_classes_l8.json"
    content = json.loads(place.read_text())
    super_classes = tuple(content["super_classes"])
    rule = LabelRule(super_classes, {}, ("nodata",), read_aliases(place))

    label, became = remap_label(np.arange(11)[np.newaxis], rule, "x", content["classes"])

    expected = [
        IGNORE if name == "nodata" else super_classes.index(content["aliases"].get(name, name))
        for name in content["classes"]
    ]
    np.testing.assert_array_equal(label, [expected])
    assert label.tolist() == [[0, 1, 2, 5, 4, 5, 3, 6, IGNORE, 6, 6]]
    assert counted(became) == dict.fromkeys(content["classes"], 1)


def test_aliases_are_read_bare_or_under_their_key(tmp_path):
    """Either way names are compared without capitals and outer spaces."""
    (tmp_path / "bare.json").write_text('{" Surf ": "Whitewater"}')
    (tmp_path / "under.json").write_text('{"aliases": {"surf": "whitewater"}, "classes": []}')

    assert read_aliases(tmp_path / "bare.json") == read_aliases(tmp_path / "under.json") == {"surf": "whitewater"}
    assert normalize_name(" Wet Sand ") == "wet sand"


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 1}', '{"aliases": 3}', b"\xff\xfe{"])
def test_aliases_that_are_none_are_refused(tmp_path, content):
    """Not JSON, no object, or not from names to names."""
    path = tmp_path / "aliases.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(
        ConfigError, match=r"data\.aliases=.*aliases\.json must be a JSON object from names to names \("
    ):
        read_aliases(path)


def test_counts_leave_ignored_pixels_out():
    """One number a class, zero for one that is absent, up to the most classes there can be."""
    np.testing.assert_array_equal(count_classes(np.array([[0, 2, 2, IGNORE]], np.uint8), 4), [1, 0, 2, 0])
    full = count_classes(np.arange(256, dtype=np.uint8)[np.newaxis], MAX_CLASSES)
    np.testing.assert_array_equal(full, np.ones(255))
    assert full.dtype == np.int64


def test_a_listed_value_goes_before_its_name():
    """Who lists numbers means them, also where the file has names: no key of the configuration is without effect."""
    rule = LabelRule(("water", "sand"), {1: "sand"}, (2,))

    label, became = remap_label(np.array([[0, 1, 2]]), rule, "x", ("water", "water", "sand"))

    np.testing.assert_array_equal(label, [[0, 1, IGNORE]])
    assert counted(became) == {"water": 2, "sand": 1}
