"""Indices against numbers worked out by hand and Python's own arithmetic; what is more than arithmetic is refused."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.config.spectral_index import KNOWN, Index, bands_of, evaluate, missing_bands, parse_index
from gym.core.errors import ConfigError

BANDS = {"red": 1.0, "green": 3.0, "blue": 2.0, "nir": 7.0, "swir": 5.0}
BY_HAND = {"NDVI": 6 / 8, "NDWI": -4 / 10, "MNDWI": -2 / 8, "NDMI": 2 / 12, "NDTI": -2 / 4}

SYMBOLS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def grow(parts):
    """From expressions with their values to larger ones with theirs."""
    pairs = st.tuples(parts, st.sampled_from(sorted(SYMBOLS)), parts)
    joined = pairs.map(lambda pair: (f"({pair[0][0]}{pair[1]}{pair[2][0]})", SYMBOLS[pair[1]](pair[0][1], pair[2][1])))
    return joined | parts.map(lambda part: (f"-{part[0]}", -part[1]))


numbers = st.integers(0, 9).map(lambda number: (str(number), float(number)))
expressions = st.recursive(st.sampled_from(sorted(BANDS.items())) | numbers, grow, max_leaves=8)

REFUSED = {
    "": "'' must be one of NDVI, NDWI, MNDWI, NDMI, NDTI, or name=expression, as in water=",
    "NDXI": "'NDXI' must be one of NDVI, NDWI, MNDWI, NDMI, NDTI, or name=expression",
    "(nir-red)/(nir+red)": "'(nir-red)/(nir+red)' must be one of",
    "=nir": "'' must be a name of letters, digits and single underscores, as in water=",
    "a-b=nir": "'a-b' must be a name",
    "2x=nir": "'2x' must be a name",
    "_x=nir": "'_x' must be a name",
    "x__y=nir": "'x__y' must be a name",
    "a b=nir": "'a b' must be a name",
    "é=nir": "'é' must be a name",
    "x=": "'' is no arithmetic; use band names, numbers, + - * / ** and parentheses, as in water=",
    "x=nir=red": "'nir=red' is no arithmetic",
    "x=nir red": "'nir red' is no arithmetic",
    "x=nir +": "'nir +' is no arithmetic",
    "x=(nir": "'(nir' is no arithmetic",
    "x=log(nir)": "'log(nir)' is no arithmetic",
    "x=nir.real": "'nir.real' is no arithmetic",
    "x=().__class__": "is no arithmetic",
    "x=__import__": "'__import__' is no arithmetic",
    "x=nir__": "'nir__' is no arithmetic",
    "x=nir if red else blue": "is no arithmetic",
    "x=nir or red": "is no arithmetic",
    "x=not nir": "is no arithmetic",
    "x=nir // red": "is no arithmetic",
    "x=+nir": "is no arithmetic",
    "x=nir + True": "is no arithmetic",
    "x=nir + 2j": "is no arithmetic",
    "x=nir + ...": "is no arithmetic",
    "x=nir % red": "is no arithmetic",
    "x=nir[0]": "is no arithmetic",
    "x=nir, red": "is no arithmetic",
    "x=nir\nred": r"'nir\nred' is no arithmetic",
    "x=nir + 'a'": "is no arithmetic",
    "x=nir + é": "is no arithmetic",
    "x=nir\0": "is no arithmetic",
    "x=7": "'7' has no band in it",
    "x=-(2 + 3) ** 2": "has no band in it",
    "x=nir ** 9": "'nir ** 9' has an exponent other than a number from -8 to 8",
    "x=nir ** -9": "has an exponent other than",
    "x=2 ** nir": "has an exponent other than",
    "x=9 ** 9 ** 9 ** 9 + nir": "has an exponent other than",
    "x=nir / 0": "'nir / 0' divides by 0",
    "x=nir * (1 / (2 - 2))": "divides by 0",
    "x=nir + 1e999": "has no finite number in 1e309",
    "x=nir + 1e200 * 1e200": "has no finite number in 1e+200 * 1e+200",
    "x=nir + (1e200 ** 2)": "has no finite number in 1e+200 ** 2",
    "x=nir + 0 ** -1": "has no finite number in 0 ** (-1)",
    "x=nir + (-8) ** 0.5": "has no finite number in (-8) ** 0.5",
    "x="
    + "nir+" * 50
    + "red": "'nir+nir+nir+nir+nir+nir+nir+nir+nir+nir+...' has 203 characters, and 200 are the most",
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_indices_by_hand(name):
    """Each against the ratio of numbers picked for it."""
    assert evaluate(parse_index(name), BANDS) == pytest.approx(BY_HAND[name])


def test_a_known_index_is_found_in_any_case():
    """What it is called does not depend on how it was asked for."""
    assert parse_index(" mNdWi ") == Index("MNDWI", "(green - swir) / (green + swir)")


def test_an_index_of_ones_own():
    """Name and expression stand on the two sides of the first equals sign; a known name may be given other bands."""
    assert parse_index(" Ratio_2 = nir/red ") == Index("Ratio_2", "nir/red")
    assert parse_index("NDVI=(b8-b4)/(b8+b4)") == Index("NDVI", "(b8-b4)/(b8+b4)")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("nir - red - blue", 4),
        ("nir - (red - blue)", 8),
        ("2 * nir ** 2", 98),
        ("-nir ** 2", -49),
        ("(-nir) ** 2", 49),
        ("2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)", 15 / -1),
        ("nir ** (1 / 3) * nir ** (2 / 3)", 7),
        ("nir ** -1", 1 / 7),
        ("1e-1*nir", 0.7),
    ],
)
def test_arithmetic_by_hand(expression, expected):
    """Precedence, signs, powers and constants are those of school."""
    assert evaluate(Index("x", expression), BANDS) == pytest.approx(expected)


@given(expression=expressions)
def test_any_expression_has_the_value_of_its_parts(expression):
    """However sums, differences, products and signs are nested; all numbers are whole, so exactly."""
    text, value = expression

    assert evaluate(Index("x", f"nir+{text}"), BANDS) == 7 + value


def test_an_index_of_arrays_is_an_array():
    """Pixel by pixel, in the type of the bands, whatever else there is."""
    bands = {"NIR": np.array([[7, 3]], np.float32), "Red": np.array([[1, 3]], np.float32), "blue": None}

    values = evaluate(parse_index("ndvi"), bands)

    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [[0.75, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32])
def test_integers_do_not_wrap_around(dtype):
    """1 - 3 is -2 in any type, and 200 + 100 is 300."""
    bands = {"nir": np.array([1, 200], dtype), "red": np.array([3, 100], dtype)}

    np.testing.assert_array_equal(evaluate(Index("x", "nir - red"), bands), [-2, 100])
    np.testing.assert_array_equal(evaluate(Index("x", "nir + red"), bands), [4, 300])


def test_an_index_does_not_touch_its_bands():
    """Not even one that is a band itself."""
    band = np.array([1.0, 2.0])

    evaluate(Index("x", "nir"), {"nir": band})[:] = 9

    np.testing.assert_array_equal(band, [1, 2])


def test_bands_are_named_once_in_the_order_of_their_use():
    """As they stand in the text, not as the tree of the expression has them."""
    assert bands_of(Index("x", "B8a * (red - 2) / (b8A + blue) - green")) == ["b8a", "red", "blue", "green"]


def test_missing_bands_are_named_in_the_order_of_their_use():
    """In any case, each once; none where all are there."""
    index = Index("x", "swir * (Red - 2) / (SWIR + blue) - green")

    assert missing_bands(index, ["RED", "Green"]) == ["swir", "blue"]
    assert missing_bands(index, []) == ["swir", "red", "blue", "green"]
    assert missing_bands(index, ["swir", "red", "blue", "green", "nir"]) == []


def test_a_band_that_is_not_there():
    """The band is named."""
    with pytest.raises(KeyError, match="'swir'"):
        evaluate(parse_index("MNDWI"), {"green": 1.0})


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_index_is_refused(text):
    """In one line, with the value, the rule and an example."""
    with pytest.raises(ConfigError) as refusal:
        parse_index(text)

    message = str(refusal.value)
    assert message.startswith("data.indices: ")
    assert REFUSED[text] in message
    assert message.endswith(", as in water=(green - nir) / (green + nir).")
    assert "\n" not in message


@pytest.mark.parametrize("use", [bands_of, lambda index: evaluate(index, BANDS)])
def test_an_index_that_was_not_parsed_is_checked_all_the_same(use):
    """Nothing but arithmetic is ever worked out."""
    with pytest.raises(ConfigError, match=r"'print\(nir\)' is no arithmetic"):
        use(Index("x", "print(nir)"))


@given(text=st.text(max_size=60) | st.text("nir1289.eE_+-*/() =", max_size=60))
def test_any_text_is_an_index_or_is_refused(text):
    """There is no third way: no other error, and no index that cannot be worked out."""
    try:
        index = parse_index(f"x={text}")
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - either outcome is right
        return
    with np.errstate(all="ignore"):
        values = evaluate(index, dict.fromkeys(bands_of(index), np.array([0.5, 2.0])))
    assert values.shape == (2,)
    assert values.dtype == np.float64


def test_the_deepest_expression_can_be_worked_out():
    """Two hundred characters cannot exhaust the parser or the walk."""
    assert evaluate(parse_index("x=" + "-" * 197 + "nir"), BANDS) == -7
    assert evaluate(parse_index("x=" + "(" * 98 + "nir" + ")" * 98), BANDS) == 7
