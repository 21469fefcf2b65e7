"""Indices equal numbers worked out by hand and Python's own arithmetic; anything beyond arithmetic is refused."""

import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.config.spectral_index import NAMED_INDICES, Index, band_names, compute_index, missing_bands, parse_index
from gym.core.errors import ConfigError

BANDS = {"red": 1.0, "green": 3.0, "blue": 2.0, "nir": 7.0, "swir": 5.0}
BY_HAND = {"NDVI": 6 / 8, "NDWI": -4 / 10, "MNDWI": -2 / 8, "NDMI": 2 / 12, "NDTI": -2 / 4}

SYMBOLS = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def grow(parts):
    """Build larger expressions with their values from smaller ones with theirs."""
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
    "x=": "'' is not arithmetic; use band names, numbers, + - * / ** and parentheses, as in water=",
    "x=nir=red": "'nir=red' is not arithmetic",
    "x=nir red": "'nir red' is not arithmetic",
    "x=nir +": "'nir +' is not arithmetic",
    "x=(nir": "'(nir' is not arithmetic",
    "x=log(nir)": "'log(nir)' is not arithmetic",
    "x=nir.real": "'nir.real' is not arithmetic",
    "x=().__class__": "is not arithmetic",
    "x=__import__": "'__import__' is not arithmetic",
    "x=nir__": "'nir__' is not arithmetic",
    "x=nir if red else blue": "is not arithmetic",
    "x=nir or red": "is not arithmetic",
    "x=not nir": "is not arithmetic",
    "x=nir // red": "is not arithmetic",
    "x=+nir": "is not arithmetic",
    "x=nir + True": "is not arithmetic",
    "x=nir + 2j": "is not arithmetic",
    "x=nir + ...": "is not arithmetic",
    "x=nir % red": "is not arithmetic",
    "x=nir[0]": "is not arithmetic",
    "x=nir, red": "is not arithmetic",
    "x=nir\nred": r"'nir\nred' is not arithmetic",
    "x=nir + 'a'": "is not arithmetic",
    "x=nir + é": "is not arithmetic",
    "x=nir\0": "is not arithmetic",
    "x=7": "'7' uses no band",
    "x=-(2 + 3) ** 2": "uses no band",
    "x=nir ** 9": "'nir ** 9' has an exponent that is not a number from -8 to 8",
    "x=nir ** -9": "has an exponent that is not",
    "x=2 ** nir": "has an exponent that is not",
    "x=9 ** 9 ** 9 ** 9 + nir": "has an exponent that is not",
    "x=nir / 0": "'nir / 0' divides by 0",
    "x=nir * (1 / (2 - 2))": "divides by 0",
    "x=nir + 1e999": "contains 1e309, which is not a finite number",
    "x=nir + 1e200 * 1e200": "contains 1e+200 * 1e+200, which is not a finite number",
    "x=nir + (1e200 ** 2)": "contains 1e+200 ** 2, which is not a finite number",
    "x=nir + 0 ** -1": "contains 0 ** (-1), which is not a finite number",
    "x=nir + (-8) ** 0.5": "contains (-8) ** 0.5, which is not a finite number",
    "x="
    + "nir+" * 50
    + "red": "'nir+nir+nir+nir+nir+nir+nir+nir+nir+nir+...' has 203 characters, but at most 200 are allowed",
}


@pytest.mark.parametrize("name", NAMED_INDICES)
def test_named_indices_equal_ratios_by_hand(name):
    """Each is compared with a ratio of numbers chosen for it."""
    assert compute_index(parse_index(name), BANDS) == pytest.approx(BY_HAND[name])


def test_a_named_index_is_found_in_any_case():
    """Its name does not depend on how it was written."""
    assert parse_index(" mNdWi ") == Index("MNDWI", "(green - swir) / (green + swir)")


def test_a_custom_index_has_a_name_and_an_expression():
    """The first equals sign separates them, and a known name may be redefined."""
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
def test_arithmetic_follows_the_usual_precedence(expression, expected):
    """Signs, powers and constants are covered."""
    assert compute_index(Index("x", expression), BANDS) == pytest.approx(expected)


@given(expression=expressions)
def test_any_expression_has_the_value_of_its_parts(expression):
    """All numbers are whole, so the comparison is exact."""
    text, value = expression

    assert compute_index(Index("x", f"nir+{text}"), BANDS) == 7 + value


def test_an_index_of_arrays_is_computed_pixel_by_pixel():
    """It has the type of the bands, and unused bands are ignored."""
    bands = {"NIR": np.array([[7, 3]], np.float32), "Red": np.array([[1, 3]], np.float32), "blue": None}

    values = compute_index(parse_index("ndvi"), bands)

    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [[0.75, 0]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32])
def test_integers_do_not_wrap_around(dtype):
    """In any type 1 - 3 is -2, and 200 + 100 is 300."""
    bands = {"nir": np.array([1, 200], dtype), "red": np.array([3, 100], dtype)}

    np.testing.assert_array_equal(compute_index(Index("x", "nir - red"), bands), [-2, 100])
    np.testing.assert_array_equal(compute_index(Index("x", "nir + red"), bands), [4, 300])


def test_computing_an_index_does_not_change_the_bands():
    """Even an index that equals a band is a copy."""
    band = np.array([1.0, 2.0])

    compute_index(Index("x", "nir"), {"nir": band})[:] = 9

    np.testing.assert_array_equal(band, [1, 2])


def test_band_names_are_listed_once_in_order_of_use():
    """The order is that of the text, not that of the syntax tree."""
    assert band_names(Index("x", "B8a * (red - 2) / (b8A + blue) - green")) == ["b8a", "red", "blue", "green"]


def test_missing_bands_are_listed_in_order_of_use():
    """Case is ignored, and each is listed once."""
    index = Index("x", "swir * (Red - 2) / (SWIR + blue) - green")

    assert missing_bands(index, ["RED", "Green"]) == ["swir", "blue"]
    assert missing_bands(index, []) == ["swir", "red", "blue", "green"]
    assert missing_bands(index, ["swir", "red", "blue", "green", "nir"]) == []


def test_computing_with_a_missing_band_raises_key_error():
    """The error names the band."""
    with pytest.raises(KeyError, match="'swir'"):
        compute_index(parse_index("MNDWI"), {"green": 1.0})


@pytest.mark.parametrize("text", REFUSED)
def test_an_invalid_index_is_refused(text):
    """The message is one line with the value, the rule and an example."""
    with pytest.raises(ConfigError) as refusal:
        parse_index(text)

    message = str(refusal.value)
    assert message.startswith("data.indices: ")
    assert REFUSED[text] in message
    assert message.endswith(", as in water=(green - nir) / (green + nir).")
    assert "\n" not in message


@pytest.mark.parametrize("use", [band_names, lambda index: compute_index(index, BANDS)])
def test_an_index_that_was_not_parsed_is_checked_too(use):
    """Nothing but arithmetic is ever evaluated."""
    with pytest.raises(ConfigError, match=r"'print\(nir\)' is not arithmetic"):
        use(Index("x", "print(nir)"))


@given(text=st.text(max_size=60) | st.text("nir1289.eE_+-*/() =", max_size=60))
def test_any_text_is_an_index_or_is_refused(text):
    """There is no other error, and every accepted index can be computed."""
    try:
        index = parse_index(f"x={text}")
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - either outcome is right
        return
    with np.errstate(all="ignore"):
        values = compute_index(index, dict.fromkeys(band_names(index), np.array([0.5, 2.0])))
    assert values.shape == (2,)
    assert values.dtype == np.float64


def test_the_deepest_expression_can_be_computed():
    """Two hundred characters cannot exhaust the parser or the recursion."""
    assert compute_index(parse_index("x=" + "-" * 197 + "nir"), BANDS) == -7
    assert compute_index(parse_index("x=" + "(" * 98 + "nir" + ")" * 98), BANDS) == 7
