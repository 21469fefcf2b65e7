"""Tests of splits: units stay together, draws are random and reproducible, and only the paper's split leaks."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gym.core.errors import ConfigError, DataError
from gym.data.split import (
    Split,
    check_leaks,
    find_unmatched,
    read_side_table,
    split_folds,
    split_given,
    split_leave_one_out,
    split_paper,
    split_random,
    subsample_training,
)

SEEDS = st.integers(0, 1000)


def draw_units(least):
    """Draw the units of pairs: at least ``least`` distinct ones, some of them with several pairs."""
    return st.lists(st.sampled_from("abcdefghij"), min_size=least).filter(lambda units: len(set(units)) >= least)


def units_by_side(split, units):
    """The units on each side."""
    return [{units[position] for position in side} for side in split]


def assert_partition(split, units):
    """Each pair is on exactly one side, in ascending order, and no unit is on two sides."""
    assert sorted(position for side in split for position in side) == list(range(len(units)))
    assert all(list(side) == sorted(side) for side in split)
    assert not any(one & other for one, other in combinations(units_by_side(split, units), 2))


@given(units=draw_units(2), share=st.floats(0.01, 0.99), seed=SEEDS)
def test_a_random_split_is_a_partition_by_unit(units, share, seed):
    """Units stay together, training gets at least one, and validation gets its share."""
    split = split_random(units, share, 0, seed)

    assert_partition(split, units)
    training, validation, test = units_by_side(split, units)
    count = len(set(units))
    assert training
    assert len(validation) == min(count - 1, max(1, round(share * count)))
    assert test == set()


@given(units=draw_units(3), validation=st.floats(0.01, 0.99), test=st.floats(0.01, 0.99), seed=SEEDS)
def test_a_random_split_with_a_test_side_leaves_each_side_a_unit(units, validation, test, seed):
    """Shares refer to all units; where they exceed these, validation and training still get one unit each."""
    split = split_random(units, validation, test, seed)

    assert_partition(split, units)
    training, validating, testing = units_by_side(split, units)
    count = len(set(units))
    assert training
    assert len(testing) == min(count - 2, max(1, round(test * count)))
    assert len(validating) == min(count - len(testing) - 1, max(1, round(validation * count)))


@pytest.mark.parametrize(
    ("draw", "validation", "test"),
    [
        (lambda names: split_random(names, 0.25, 0, 0), [2, 4, 9], []),
        (lambda names: split_random(names, 0.6, 0, 7), [1, 2, 5, 6, 9, 10, 11], []),
        (lambda names: split_random(names, 0.25, 0.2, 0), [2, 4, 10], [7, 11]),
        (lambda names: split_folds(names, 4, 1, 0.2, 0), [5, 9, 10], [7, 11]),
    ],
)
def test_a_seed_draws_the_same_sides_in_every_version(draw, validation, test):
    """Published results name their seed, so the drawn scenes must never change."""
    split = draw([f"s{number:02d}" for number in range(12)])

    assert (split.validation, split.test) == (validation, test)


def test_validation_is_not_the_first_part_of_the_listing():
    """The original program sorted the files after its random draw, so the first ones always validated."""
    names = [f"scene{number:03d}" for number in range(100)]
    splits = [split_random(names, 0.6, 0, seed) for seed in range(20)]

    assert not any(split.validation == list(range(60)) for split in splits)
    assert len({tuple(split.validation) for split in splits}) == 20


def test_the_test_side_is_independent_of_the_validation_share():
    """A larger validation share takes no unit from the test side, and other seeds draw other test units."""
    names = [f"scene{number:03d}" for number in range(50)]
    tests = {tuple(split_random(names, share, 0.2, 3).test) for share in (0.1, 0.3, 0.7)}

    assert len(tests) == 1
    assert len({tuple(split_random(names, 0.3, 0.2, seed).test) for seed in range(20)}) == 20


@pytest.mark.parametrize(
    "draw",
    [
        lambda units: split_random(units, 0.4, 0.2, 3),
        lambda units: split_folds(units, 4, 1, 0.2, 3),
        lambda units: split_leave_one_out([unit[0] for unit in units], units, "b", 0.4, 3),
    ],
    ids=["random", "folds", "leave one out"],
)
@given(order=st.permutations([f"{site}{number}" for site in "abc" for number in range(4)]))
def test_a_draw_is_independent_of_the_order_of_the_files(draw, order):
    """Any order of the listing puts the same units on the same sides."""
    assert units_by_side(draw(order), order) == units_by_side(draw(sorted(order)), sorted(order))


@pytest.mark.parametrize(
    ("units", "test", "message"),
    [
        (
            "aa",
            0,
            r"^1 unit \(a\) cannot be split into training and validation, which need at least one unit each; "
            r"check split\.by and data\.scene_pattern\.$",
        ),
        (
            "aba",
            0.1,
            r"^2 units \(a, b\) cannot be split into training, validation and test, which need at least one unit each; "
            r"set split\.test=0, or check split\.by and data\.scene_pattern\.$",
        ),
    ],
)
def test_too_few_units_for_the_sides_are_rejected(units, test, message):
    """The error lists the units and says what to check."""
    with pytest.raises(DataError, match=message):
        split_random(units, 0.5, test, 0)


@given(units=draw_units(6), folds=st.integers(2, 5), test=st.sampled_from([0, 0.1, 0.3, 0.9]), seed=SEEDS)
def test_each_unit_validates_in_one_fold_and_the_test_side_is_constant(units, folds, test, seed):
    """Folds partition the units outside the test side, and their sizes differ by at most one."""
    splits = [split_folds(units, folds, fold, test, seed) for fold in range(folds)]

    for split in splits:
        assert_partition(split, units)
        assert split.test == splits[0].test
    validating = [units_by_side(split, units)[1] for split in splits]
    testing = units_by_side(splits[0], units)[2]
    assert Counter(unit for fold in validating for unit in fold) == dict.fromkeys(set(units) - testing, 1)
    assert max(map(len, validating)) - min(map(len, validating)) <= 1
    count = len(set(units))
    assert len(testing) == (min(count - folds, max(1, round(test * count))) if test else 0)


def test_folds_are_drawn_at_random():
    """They are not consecutive runs of the listing, and another seed draws other folds."""
    names = [f"scene{number:03d}" for number in range(100)]
    firsts = {tuple(split_folds(names, 5, 0, 0, seed).validation) for seed in range(20)}

    assert len(firsts) == 20
    assert not any(fold[-1] - fold[0] == 19 for fold in firsts)


@pytest.mark.parametrize(
    ("folds", "test", "message"),
    [
        (
            5,
            0,
            r"^4 units \(a, b, c, d\) cannot be split into 5 folds, which need at least one unit each; "
            r"lower split\.folds, or",
        ),
        (
            4,
            0.25,
            r"^4 units \(a, b, c, d\) cannot be split into 4 folds and a test side, which need at least one unit each; "
            r"lower split\.folds, or",
        ),
    ],
)
def test_more_folds_than_units_are_rejected(folds, test, message):
    """A fold without a unit could not validate."""
    with pytest.raises(DataError, match=message):
        split_folds("abcd", folds, 0, test, 0)


@pytest.mark.parametrize("fold", [-1, 3])
def test_a_fold_out_of_range_is_rejected(fold):
    """Folds are counted from 0."""
    with pytest.raises(
        ConfigError, match=rf"split\.fold={fold} must be at least 0 and below split\.folds=3; the first fold is 0\.$"
    ):
        split_folds("abcd", 3, fold, 0, 0)


@given(
    pairs=st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abcde")), min_size=3).filter(
        lambda pairs: ("x" in {site for site, _ in pairs}) and len({pair for pair in pairs if pair[0] != "x"}) > 1
    ),
    share=st.floats(0.01, 0.99),
    seed=SEEDS,
)
def test_the_held_out_unit_is_the_test_side(pairs, share, seed):
    """The whole unit tests and nothing else does; the validation share refers to the scenes of the rest."""
    sites, scenes = [site for site, _ in pairs], [site + scene for site, scene in pairs]
    split = split_leave_one_out(sites, scenes, "x", share, seed)

    assert_partition(split, scenes)
    assert split.test == [position for position, site in enumerate(sites) if site == "x"]
    training, validation, _ = units_by_side(split, scenes)
    count = len(training) + len(validation)
    assert training
    assert len(validation) == min(count - 1, max(1, round(share * count)))


def test_an_unknown_unit_cannot_be_held_out():
    """The error lists up to eight names, the closest first."""
    sites = ["duck", "ventura", "klamath", "sunset", *(f"far{number}" for number in range(8))]

    with pytest.raises(
        DataError, match=r"split\.held_out=Ventra must be one of 12 units; the closest are ventura, "
    ) as e:
        split_leave_one_out(sites, sites, "Ventra", 0.5, 0)
    assert str(e.value).count(",") == 7


@pytest.mark.parametrize(
    ("sites", "scenes", "left"), [("xxy", "aab", r"1 scene \(b\)"), ("xxx", "abc", "0 scenes")], ids=["one", "none"]
)
def test_a_unit_cannot_be_held_out_if_too_few_scenes_are_left(sites, scenes, left):
    """Training and validation need one scene each."""
    with pytest.raises(
        DataError,
        match=rf"^{left} cannot be split into training and validation, .*; hold out another unit than x with "
        r"split\.held_out, or",
    ):
        split_leave_one_out(sites, scenes, "x", 0.5, 0)


def test_a_given_split_is_used():
    """Abbreviations, any case and the side none are accepted."""
    sides = {"a": "train", "b": "VAL", "c": "test", "d": "None", "e": "training", "f": "Validation"}

    assert split_given("fedcbaa", sides) == Split([1, 5, 6], [0, 4], [3])


def test_names_in_a_side_table_that_match_no_pair_are_listed():
    """They are sorted by name, so that misspellings stand out."""
    assert find_unmatched(["a", "b", "a"], dict.fromkeys("zyxaBCwv", "test")) == ["B", "C", "v", "w", "x", "y", "z"]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (
            {"a": "train", "b": "valid", "x": ""},
            r"^split\.sides must say training, validation, test or none; correct 2 lines \(b: valid, x: \)\.$",
        ),
        (
            {"a": "train"},
            r"^split\.sides must list every pair; add 7 names \(b, c, d, e, f, \.\.\.\), or set them to none\.$",
        ),
        (dict.fromkeys("abcdefgh", "val"), r"^split\.sides must assign at least one pair to training; add one\.$"),
        (dict.fromkeys("abcdefgh", "train"), r"^split\.sides must assign at least one pair to validation; add one\.$"),
    ],
    ids=["unknown word", "missing names", "no training", "no validation"],
)
def test_a_side_table_that_is_incomplete_or_wrong_is_rejected(sides, message):
    """The error says what to correct."""
    with pytest.raises(DataError, match=message):
        split_given("hgfedcbaa", sides)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with byte order mark"])
def test_a_side_table_may_come_from_a_spreadsheet(tmp_path, mark):
    """Byte order marks, extra columns, blanks, empty lines, quotes and non-ASCII letters are accepted."""
    path = tmp_path / "sides.csv"
    path.write_text(mark + 'name, side ,note\r\na,train,x\r\n\r\n Küste 1,"val",\r\n', encoding="utf-8")

    assert read_side_table(path) == {"a": "train", "Küste 1": "val"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: '' must have the columns name and side; add them"),
        (b"name;side\na;test\n", "line 1: 'name;side' must have the columns name and side; add them"),
        (b"name,side\na,test\nb\n", "line 3: 'b','' must be a name and a side; fill in both"),
        (b"name,side\n,test\n", "line 2: '','test' must be a name and a side; fill in both"),
        (b"name,side\na,test\na,train\n", "line 3: a already has a line; keep one"),
        (b'name,side\na,"te"st\n', r"line 2: invalid CSV \(.*\); check the quotes"),
        (
            b"name,side\n\xff,test\n",
            r"cannot be read as CSV in UTF-8 \(.*\); check split\.sides and the encoding of the file",
        ),
    ],
)
def test_a_malformed_side_table_is_rejected(tmp_path, content, message):
    """The error states the file, the line and the rule."""
    path = tmp_path / "sides.csv"
    path.write_bytes(content)

    with pytest.raises(DataError, match=rf"sides\.csv,? {message}\."):
        read_side_table(path)


def test_a_missing_side_table_is_rejected(tmp_path):
    """The error names split.sides, where the path comes from."""
    with pytest.raises(DataError, match=r"sides\.csv cannot be read as CSV in UTF-8 \(.*\); check split\.sides"):
        read_side_table(tmp_path / "sides.csv")


def test_the_split_of_the_paper_sorts_copies_as_text():
    """Four copies of three pairs are sorted as 0 1 10 11 2 3 ...; the first half validates."""
    assert split_paper(3, 4, 0.5) == Split(training=[7, 8, 9, 10, 11, 12], validation=[3, 4, 5, 6, 13, 14])


def test_the_split_of_the_paper_leaks():
    """With the paper's numbers, 1257 of 2095 samples validate, and all their pairs have copies in training."""
    split = split_paper(419, 5, 0.6)

    assert (len(split.training), len(split.validation)) == (838, 1257)
    validating, training = ({number % 419 for number in side} for side in (split.validation, split.training))
    assert validating <= training
    copies = [sum(number // 419 == copy for number in split.validation) for copy in range(1, 6)]
    assert copies == [162, 0, 257, 419, 419]


@given(pairs=st.integers(2, 50), copies=st.integers(1, 6), share=st.floats(0.1, 0.9))
def test_the_split_of_the_paper_is_a_partition_of_the_copies(pairs, copies, share):
    """Each copy is on exactly one side, and no unaugmented pair is used."""
    assume(int(share * (pairs * copies)))
    split = split_paper(pairs, copies, share)

    assert sorted([*split.validation, *split.training]) == list(range(pairs, pairs * (copies + 1)))
    assert len(split.validation) == int(share * (pairs * copies))


@pytest.mark.parametrize(("pairs", "copies", "share", "samples"), [(3, 3, 0.1, 9), (0, 5, 0.6, 0)])
def test_a_split_of_the_paper_without_validation_is_rejected(pairs, copies, share, samples):
    """Rounding down may leave no validation sample."""
    with pytest.raises(
        DataError,
        match=rf"split\.validation={share} of {samples} samples must be at least one sample; "
        r"raise it, or raise augment\.copies\.$",
    ):
        split_paper(pairs, copies, share)


@given(
    pairs=st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(0, 3)), min_size=1),
    shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)),
    seed=SEEDS,
)
def test_a_larger_training_share_contains_a_smaller_one(pairs, shares, seed):
    """Whole units are kept, in the requested number, and the samples stay in ascending order."""
    units = [unit for unit, _ in pairs]
    training = [4 * position + step for position, (_, step) in enumerate(pairs)]
    smaller, larger = (subsample_training(training, units, share, seed) for share in sorted(shares))

    assert set(smaller) <= set(larger) <= set(training)
    for share, kept in zip(sorted(shares), (smaller, larger), strict=True):
        names = {unit for sample, unit in zip(training, units, strict=True) if sample in kept}
        assert kept == [sample for sample, unit in zip(training, units, strict=True) if unit in names]
        assert len(names) == max(1, round(share * len(set(units))))
    assert subsample_training(training, units, 1.0, seed) == training


@pytest.mark.parametrize(("share", "kept"), [(0.001, 1), (0.1, 1), (0.2, 2), (0.44, 4), (0.46, 5), (0.99, 10), (1, 10)])
def test_a_training_share_is_rounded_to_whole_units(share, kept):
    """Shares of ten units are rounded to the nearest unit, but at least one is kept."""
    assert len(subsample_training(range(20), [f"unit{number // 2}" for number in range(20)], share, 0)) == 2 * kept


def test_a_training_share_is_drawn_by_its_seed():
    """The units kept are not the first by name, do not depend on their order, and never change between versions."""
    units = [f"s{number:02d}" for number in range(12)]
    draws = {tuple(subsample_training(range(12), units, 0.25, seed)) for seed in range(20)}
    reversed_units = subsample_training(range(12), units[::-1], 0.25, 3)

    assert len(draws) > 15
    assert sorted(11 - sample for sample in reversed_units) == subsample_training(range(12), units, 0.25, 3)
    assert subsample_training(range(12), units, 0.4, 3) == [1, 5, 6, 8, 11]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (
            Split([0], [1]),
            r"n0 \(training\) and n1 \(validation\) show the same scene; put the whole scene on one side",
        ),
        (Split([0], [2], [1]), r"n0 \(training\) and n1 \(test\) show the same scene; put the whole scene on one side"),
        (
            Split([2], [1], [0]),
            r"n1 \(validation\) and n0 \(test\) show the same scene; put the whole scene on one side",
        ),
        (Split([2], [3]), r"n2 \(training\) and n3 \(validation\) are the same image; give both the same scene with"),
        (Split([0], [2], [3]), r"n2 \(validation\) and n3 \(test\) are the same image; give both the same scene with"),
    ],
)
def test_a_scene_or_an_image_on_two_sides_is_rejected(split, message):
    """Any two sides are checked, and an image may leak under another name."""
    with pytest.raises(DataError, match=message):
        check_leaks(split, ["n0", "n1", "n2", "n3"], ["s", "s", "t", "u"], ["h0", "h1", "h2", "h2"])


def test_pairs_on_one_side_or_on_none_do_not_leak():
    """Two pairs of one scene may train together, and a pair on no side is not checked."""
    pairs = (["n0", "n1", "n2", "n3"], ["s", "s", "s", "u"], ["h0", "h0", "h2", "h2"])
    check_leaks(Split([0, 1], [3]), *pairs)

    with pytest.raises(DataError, match=r"^n2 \(training\) and n3 \(validation\) "):
        check_leaks(Split([0, 1, 2], [3]), *pairs)
