"""A search space is what Hydra's sweep syntax says, at both its ends, and every value in it is an override again."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from gym.core.errors import ConfigError
from gym.sweeps.search.space import MOST_POINTS, SearchSpace, read_space


def distribution(written):
    """What ``x=written`` leaves to choose."""
    return read_space([f"x={written}"]).distributions["x"]


def read_back(override):
    """The value that Hydra reads from an override."""
    return OverridesParser.create().parse_override(override).value()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("interval(0,0.4)", FloatDistribution(0.0, 0.4)),
        ("interval(2,12)", FloatDistribution(2.0, 12.0)),
        ("interval(0.3,0.3)", FloatDistribution(0.3, 0.3)),
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("int(interval(2,12))", IntDistribution(2, 12)),
        ("tag(log,int(interval(2,64)))", IntDistribution(2, 64, log=True)),
        ("int(tag(log,interval(2,64)))", IntDistribution(2, 64, log=True)),
        ("range(5)", IntDistribution(0, 4)),
        ("range(2,9,2)", IntDistribution(2, 8, step=2)),
        ("range(0,10,2)", IntDistribution(0, 8, step=2)),
        ("range(8,1,-2)", IntDistribution(2, 8, step=2)),
        ("range(7,8)", IntDistribution(7, 7)),
        ("int(range(1.0,4.0))", IntDistribution(1, 3)),
        ("tag(log,range(1,65))", IntDistribution(1, 64, log=True)),
        ("range(0,0.5,0.1)", FloatDistribution(0.0, 0.4, step=0.1)),
        ("range(0.1,0.5,0.1)", FloatDistribution(0.1, 0.4, step=0.1)),
        ("range(0,0.9,0.3)", FloatDistribution(0.0, 0.6, step=0.3)),
        ("range(0,1,0.3)", FloatDistribution(0.0, 0.9, step=0.3)),
        ("range(0.5,0,-0.25)", FloatDistribution(0.25, 0.5, step=0.25)),
        ("float(range(1,4))", FloatDistribution(1.0, 3.0, step=1.0)),
        ("cce,dice,kld", CategoricalDistribution(["cce", "dice", "kld"])),
        ("choice(cce,dice)", CategoricalDistribution(["cce", "dice"])),
        ("2,4,8", CategoricalDistribution([2, 4, 8])),
        ("'2','4'", CategoricalDistribution(["2", "4"])),
        ("true,null,0.5,some text", CategoricalDistribution([True, None, 0.5, "some text"])),
        ("[1,2],[3,4]", CategoricalDistribution(["[1,2]", "[3,4]"])),
        ("shuffle(choice(b,a,c))", CategoricalDistribution(["b", "a", "c"])),
    ],
)
def test_a_sweep_becomes_its_distribution(written, meant):
    """Bounds, steps and types are those that Hydra's documentation gives a sweep; an interval has both its ends."""
    found = distribution(written)

    assert found == meant
    assert [type(value) for value in vars(found).values()] == [type(value) for value in vars(meant).values()]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("range(2,9,2)", [2, 4, 6, 8]),
        ("range(0,10,2)", [0, 2, 4, 6, 8]),
        ("range(0.1,0.5,0.1)", [0.1, 0.2, 0.3, 0.4]),
        ("range(0,0.9,0.3)", [0.0, 0.3, 0.6]),
        ("int(interval(2,5))", [2, 3, 4, 5]),
        ("a,'1',3", ["a", "1", 3]),
    ],
)
def test_a_grid_has_every_value(written, values):
    """The values of a key are those a reader would list by hand."""
    assert read_space([f"x={written}"]).grid() == {"x": values}


@given(start=st.integers(-20, 20), count=st.integers(1, 30), hundredths=st.integers(1, 300), beyond=st.integers(1, 100))
@example(start=0, count=3, hundredths=30, beyond=100)
def test_float_steps_are_exact(start, count, hundredths, beyond):
    """Whatever the step, a range has the decimal fractions below its stop and no other."""
    step = hundredths / 100
    stop = (100 * start + (count - 1) * hundredths + hundredths * beyond / 100) / 100
    values = read_space([f"x=range({float(start)!r},{stop!r},{step!r})"]).grid()["x"]

    assert values == [(100 * start + number * hundredths) / 100 for number in range(count)]


def test_what_is_not_swept_is_kept_as_written():
    """Fixed overrides go to every trial, additions and deletions among them."""
    space = read_space(["seed=1", "x=1,2", "+a.b='c d'", "~model.kernel"])

    assert space.fixed == ["seed=1", "+a.b='c d'", "~model.kernel"]
    assert list(space.distributions) == ["x"]


def test_the_later_of_two_overrides_of_a_key_counts():
    """The command line can fix what a ready search space leaves open, and the reverse."""
    space = read_space(["x=1,2", "y=3", "z=1,2", "x=7", "y=interval(0,1)"])

    assert space.fixed == ["x=7"]
    assert space.distributions == {"z": CategoricalDistribution([1, 2]), "y": FloatDistribution(0.0, 1.0)}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_real_number_survives_as_an_override(value):
    """Hydra reads a drawn number back to the last digit, as a float."""
    space = SearchSpace([], {"x": FloatDistribution(-1.7e308, 1.7e308)}, {})

    found = read_back(space.override_of("x", value))

    assert (type(found), found) == (float, value)


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_survives_as_an_override(value):
    """Hydra reads a drawn whole number as one."""
    space = SearchSpace([], {"x": IntDistribution(-(10**12), 10**12)}, {})

    found = read_back(space.override_of("x", value))

    assert (type(found), found) == (int, value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("cce,dice", "dice"),
        ("'2','6'", "6"),
        ("2,6", 6),
        ("1,0.5", 0.5),
        ("a,null", None),
        ("a,true", True),
        ("a,'true'", "true"),
        (r"a,'b, (c) d\'e'", "b, (c) d'e"),
        (r"a,b\,c", "b,c"),
        ("a,two words", "two words"),
        ("a,''", ""),
        ("a,'null'", "null"),
        ("+a,1e3x", "1e3x"),
    ],
)
def test_a_choice_survives_as_an_override(written, value):
    """Hydra reads each choice back as what it was, in value and type."""
    space = read_space([f"x={written}"])

    found = read_back(space.override_of("x", value))

    assert (type(found), found) == (type(value), value)


def test_a_list_survives_as_an_override():
    """Optuna holds a list as its text, and Hydra reads a list again."""
    space = read_space(["x=[1,2],[3,'4']"])

    assert read_back(space.override_of("x", space.distributions["x"].choices[1])) == [3, "4"]


@given(st.lists(st.text(max_size=8), min_size=2, max_size=4, unique=True))
@example(["a'b", "c\\'", "d\\\\", "e,f"])
def test_any_quoted_text_survives_as_an_override(texts):
    """Text with commas, quotes, backslashes or line ends comes back as it is."""
    quoted = [QuotedString(text, Quote.single).with_quotes() for text in texts]

    space = read_space([f"x={','.join(quoted)}"])

    assert list(space.distributions["x"].choices) == texts
    assert [read_back(space.override_of("x", text)) for text in texts] == texts


def test_a_drawn_step_is_the_number_written():
    """Binary fractions add up to 0.30000000000000004; the trial gets 0.3."""
    space = read_space(["x=range(0.1,0.5,0.1)"])

    assert space.override_of("x", 0.1 + 2 * 0.1) == "x=0.3"


def test_a_trial_has_all_overrides():
    """What is fixed comes first, then what the trial chose, with the key as it was written."""
    space = read_space(["seed=1", "+x=1,2", "y=interval(0,1)"])

    assert space.overrides_of({"+x": 2, "y": 0.25}) == ["seed=1", "+x=2", "y=0.25"]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("interval(0,0.4)", "0.0 to 0.4"),
        ("tag(log,interval(1e-4,1e-2))", "0.0001 to 0.01, by its logarithm"),
        ("range(2,9,2)", "2 to 8 in steps of 2"),
        ("range(0,0.5,0.1)", "0.0 to 0.4 in steps of 0.1"),
        ("'2',2,cce", "one of '2', 2, 'cce'"),
    ],
)
def test_a_space_in_words(written, words):
    """Words tell apart what differs: type, bounds, step, logarithm."""
    assert read_space([f"x={written}"]).words() == {"x": words}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("interval(0.4,0)", r"^x=interval\(0.4,0\) must go from the lower bound to the higher; swap them\.$"),
        ("tag(log,interval(0,1))", r"starts at 0, which has no logarithm; start above 0, or leave the tag out\.$"),
        ("tag(log,int(interval(-1,1)))", r"starts at -1, which has no logarithm"),
        ("interval(0,inf)", r"has no end; give two finite bounds\.$"),
        ("interval(nan,1)", r"has no end; give two finite bounds\.$"),
        ("range(0,inf,1)", r"has no end; give a finite start, stop and step\.$"),
        ("range(9,2)", r"holds no value; give a stop beyond the start, and a step towards it\.$"),
        ("range(2,9,0)", r"holds no value"),
        ("range(2,2)", r"holds no value"),
        ("tag(log,range(0,9))", r"by its logarithm only from 1 or above in steps of 1; use interval\.$"),
        ("tag(log,range(1,9,2))", r"by its logarithm only from 1 or above"),
        ("tag(log,choice(1,2))", r"lists its values, which have no logarithm; leave the tag out\.$"),
        ("tag(lgo,interval(1,2))", r"has the tag lgo, which means nothing here; log is the only tag\.$"),
        ("int(tag(log,range(1,9)))", r"loses its tag to what is around it; put tag\(log,\.\.\.\) outermost\.$"),
        ("1,1.0", r"has the same value twice \(1, 1\.0 and true are one here\); give each once\.$"),
        ("true,1", r"has the same value twice"),
        ("a,nan", r"offers nan, which is no value; leave it out\.$"),
        (
            "interval(3)",
            r"^x=interval\(3\) cannot be read \(TypeError while .*missing a required argument: 'end'\); give",
        ),
        ("interval(a,b)", r"cannot be read \(TypeError while evaluating .*\); give key=interval\(low,high\)"),
        ("a,[b", r"cannot be read \(.*\); give key=interval\(low,high\), key=range\(low,stop,step\), key=one,another"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(written, message):
    """The line names the override, the rule and the remedy."""
    with pytest.raises(ConfigError, match=message) as caught:
        distribution(written)
    assert "\n" not in str(caught.value)


def test_options_found_by_a_pattern():
    """``glob`` asks Hydra which options there are; none is an error."""

    class Loader:
        def get_group_options(self, group, results_filter):
            return ["cce", "dice", "dice_ce"] if group == "loss" else []

    space = read_space(["loss=glob(d*)"], Loader())

    assert space.distributions["loss"] == CategoricalDistribution(["dice", "dice_ce"])
    assert space.override_of("loss", "dice_ce") == "loss=dice_ce"
    with pytest.raises(ConfigError, match=r"^x=glob\(\*\) names nothing that there is; name an option of the group\.$"):
        read_space(["x=glob(*)"], Loader())


def test_nothing_to_search_is_refused():
    """A search wants at least one key with several values."""
    with pytest.raises(
        ConfigError, match=r"there is nothing to search; give a key several values, as in model\.dropout"
    ):
        read_space(["seed=1"])


def test_a_grid_of_a_continuum_is_refused():
    """The key without an end of values is named."""
    with pytest.raises(
        ConfigError, match=r"^y has no end of values, and a grid visits each; give range\(low,stop,step\)"
    ):
        read_space(["x=1,2", "y=interval(0,1)"]).grid()


def test_a_huge_grid_is_refused():
    """Nobody trains a million models, and Optuna would hold them all."""
    space = read_space(["x=range(1000)", "y=range(1000)"])

    with pytest.raises(ConfigError, match=rf"has 1,000,000 points, and more than {MOST_POINTS:,} are too many; leave"):
        space.grid()
