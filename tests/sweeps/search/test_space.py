"""The search space follows Hydra's sweep syntax, and each value in it can be turned back into an override."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from gym.core.errors import ConfigError
from gym.sweeps.search.space import MAX_GRID_POINTS, SearchSpace, read_space


def distribution(written):
    """Return the distribution of ``x=written``."""
    return read_space([f"x={written}"]).distributions["x"]


def read_back(override):
    """Return the value that Hydra parses from an override."""
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
def test_each_sweep_has_its_distribution(written, meant):
    """Bounds, steps and types follow Hydra's documentation; an interval includes both bounds."""
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
def test_the_grid_has_every_value_of_a_key(written, values):
    """The values are those a reader would list by hand."""
    assert read_space([f"x={written}"]).grid() == {"x": values}


@given(start=st.integers(-20, 20), count=st.integers(1, 30), hundredths=st.integers(1, 300), beyond=st.integers(1, 100))
@example(start=0, count=3, hundredths=30, beyond=100)
def test_decimal_steps_are_exact(start, count, hundredths, beyond):
    """For any step, a range has exactly the decimal fractions below its stop."""
    step = hundredths / 100
    stop = (100 * start + (count - 1) * hundredths + hundredths * beyond / 100) / 100
    values = read_space([f"x=range({float(start)!r},{stop!r},{step!r})"]).grid()["x"]

    assert values == [(100 * start + number * hundredths) / 100 for number in range(count)]


def test_fixed_overrides_are_kept_as_written():
    """Additions and deletions are among them."""
    space = read_space(["seed=1", "x=1,2", "+a.b='c d'", "~model.kernel"])

    assert space.fixed == ["seed=1", "+a.b='c d'", "~model.kernel"]
    assert list(space.distributions) == ["x"]


def test_the_last_override_of_a_key_wins():
    """The command line can fix a searched key, or search a fixed one."""
    space = read_space(["x=1,2", "y=3", "z=1,2", "x=7", "y=interval(0,1)"])

    assert space.fixed == ["x=7"]
    assert space.distributions == {"z": CategoricalDistribution([1, 2]), "y": FloatDistribution(0.0, 1.0)}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_real_number_is_parsed_back_exactly(value):
    """No digit is lost, and it stays a float."""
    space = SearchSpace([], {"x": FloatDistribution(-1.7e308, 1.7e308)}, {})

    found = read_back(space.format_override("x", value))

    assert (type(found), found) == (float, value)


@given(st.integers(-(10**12), 10**12))
def test_an_integer_is_parsed_back_exactly(value):
    """It stays an integer."""
    space = SearchSpace([], {"x": IntDistribution(-(10**12), 10**12)}, {})

    found = read_back(space.format_override("x", value))

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
def test_a_choice_is_parsed_back_exactly(written, value):
    """Its type is preserved, too."""
    space = read_space([f"x={written}"])

    found = read_back(space.format_override("x", value))

    assert (type(found), found) == (type(value), value)


def test_a_list_is_parsed_back_as_a_list():
    """Optuna stores it as text."""
    space = read_space(["x=[1,2],[3,'4']"])

    assert read_back(space.format_override("x", space.distributions["x"].choices[1])) == [3, "4"]


@given(st.lists(st.text(max_size=8), min_size=2, max_size=4, unique=True))
@example(["", "tag(log,"])
@example(["a'b", "c\\'", "d\\\\", "e,f"])
def test_any_quoted_text_is_parsed_back_exactly(texts):
    """It may contain commas, quotes, backslashes and line breaks."""
    quoted = [QuotedString(text, Quote.single).with_quotes() for text in texts]

    space = read_space([f"x={','.join(quoted)}"])

    assert list(space.distributions["x"].choices) == texts
    assert [read_back(space.format_override("x", text)) for text in texts] == texts


def test_a_sampled_step_is_the_decimal_number():
    """Binary fractions add up to 0.30000000000000004, but the trial gets 0.3."""
    space = read_space(["x=range(0.1,0.5,0.1)"])

    assert space.format_override("x", 0.1 + 2 * 0.1) == "x=0.3"


def test_a_trial_has_fixed_and_sampled_overrides():
    """Keys keep a leading plus sign."""
    space = read_space(["seed=1", "+x=1,2", "y=interval(0,1)"])

    assert space.trial_overrides({"+x": 2, "y": 0.25}) == ["seed=1", "+x=2", "y=0.25"]


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
def test_descriptions_distinguish_distributions(written, words):
    """They include type, bounds, step and scale."""
    assert read_space([f"x={written}"]).describe() == {"x": words}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("interval(0.4,0)", r"^x=interval\(0.4,0\) must start with the lower bound; swap the bounds\.$"),
        ("tag(log,interval(0,1))", r"starts at 0, but a logarithmic scale must start above 0; raise it\.$"),
        ("tag(log,int(interval(-1,1)))", r"starts at -1, but a logarithmic scale must start above 0"),
        ("interval(0,inf)", r"must have finite bounds, as in interval\(0,1\)\.$"),
        ("interval(nan,1)", r"must have finite bounds, as in interval\(0,1\)\.$"),
        ("range(0,inf,1)", r"must have a finite start, stop and step, as in range\(2,9,2\)\.$"),
        ("range(9,2)", r"is empty; choose a stop beyond the start, and a step in its direction\.$"),
        ("range(2,9,0)", r"is empty; choose a stop"),
        ("range(2,2)", r"is empty; choose a stop"),
        ("shuffle()", r"^x=shuffle\(\) has no values; list at least one\.$"),
        (
            "tag(log,range(0,9))",
            r"needs a start of at least 1 and a step of 1 for a logarithmic scale; use interval",
        ),
        ("tag(log,range(1,9,2))", r"needs a start of at least 1 and a step of 1"),
        ("tag(log,choice(1,2))", r"is a list, which cannot have a logarithmic scale; remove the tag\.$"),
        ("tag(lgo,interval(1,2))", r"has the unknown tag lgo; the only supported tag is log\.$"),
        ("int(tag(log,range(1,9)))", r"loses its tag inside the conversion; put tag\(log,\.\.\.\) around it\.$"),
        ("1,1.0", r"contains equal values \(1, 1\.0 and true are equal\); list each value once\.$"),
        ("true,1", r"contains equal values"),
        ("a,nan", r"contains nan, which is not a valid choice; remove it\.$"),
        (
            "interval(3)",
            r"^x=interval\(3\) cannot be parsed \(TypeError while .*missing a required argument: 'end'\); use",
        ),
        ("interval(a,b)", r"cannot be parsed \(TypeError while evaluating .*\); use key=interval\(low,high\)"),
        ("a,[b", r"cannot be parsed \(.*\); use key=interval\(low,high\), key=range\(low,stop,step\), key=one,another"),
    ],
)
def test_an_invalid_distribution_is_rejected(written, message):
    """One line states the override, the rule and the remedy."""
    with pytest.raises(ConfigError, match=message) as caught:
        distribution(written)
    assert "\n" not in str(caught.value)


def test_a_search_requires_a_key_with_several_values():
    """The error gives an example."""
    with pytest.raises(
        ConfigError, match=r"nothing to search because every key has a single value; give one a range, as in model\.dr"
    ):
        read_space(["seed=1"])


def test_a_grid_rejects_an_interval():
    """The error names the key."""
    with pytest.raises(
        ConfigError,
        match=r"^y has infinitely many values, but search\.sampler=grid tries all of them; use range\(low,stop",
    ):
        read_space(["x=1,2", "y=interval(0,1)"]).grid()


def test_a_huge_grid_is_rejected():
    """Optuna would keep all points in memory."""
    space = read_space(["x=range(1000)", "y=range(1000)"])

    with pytest.raises(ConfigError, match=rf"has 1,000,000 points, but at most {MAX_GRID_POINTS:,} are supported; rem"):
        space.grid()
