"""Values of JSON are built as the types that the program expects, or refused with the name of the field."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.core.typed_json import IDENTIFIER, build, build_fields


class Corner(NamedTuple):
    """A named tuple is a list in JSON."""

    row: int
    column: int


@dataclass
class Window:
    """A value of every kind."""

    name: str
    corner: Corner
    sizes: tuple[int, ...] = ()
    scores: dict[str, float | None] = field(default_factory=dict)


def test_every_kind_of_value_is_built():
    """Fields with defaults may be missing, and a whole number may stand for a float."""
    raw = {"name": "a", "corner": [1, 2], "scores": {"iou": 1, "kld": None}}

    assert build(list[Window], [raw, raw | {"sizes": [3, 4]}]) == [
        Window("a", Corner(1, 2), (), {"iou": 1, "kld": None}),
        Window("a", Corner(1, 2), (3, 4), {"iou": 1, "kld": None}),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 7}, "name must be text, not 7"),
        ({"name": None}, "name must be text, not None"),
        ({"corner": [1]}, "corner must be a list of 2 values, not [1]"),
        ({"corner": [1, True]}, "corner must be a whole number, not True"),
        ({"corner": [1, 2.0]}, "corner must be a whole number, not 2.0"),
        ({"corner": [1, 10**30]}, "corner must be a number of at most 64 bits"),
        ({"sizes": {}}, "sizes must be a list, not {}"),
        ({"scores": [1]}, "scores must be an object, not [1]"),
        ({"scores": {"iou": "x"}}, "scores.iou must be a number, not 'x'"),
        ({"more": 1}, "'more' is an unknown field of the file"),
    ],
)
def test_another_kind_of_value_is_refused(change, message):
    """The error names the field, the rule and the value."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build(Window, {"name": "a", "corner": [1, 2]} | change)


def test_a_missing_field_is_refused():
    """The error names it."""
    with pytest.raises(ValueError, match=r"^corner is missing from window\.json$"):
        build(Window, {"name": "a"}, "window.json")


def test_fields_may_be_missing_or_unknown():
    """Only those that are present and known are checked."""
    assert build_fields({"a": int, "b": str}, {"a": 1, "c": []}) == {"a": 1, "c": []}
    with pytest.raises(ValueError, match=r"^a must be a whole number, not '1'$"):
        build_fields({"a": int}, {"a": "1"})


@pytest.mark.parametrize("text", ["a' or '1' = '1", "../a", "a b", "a\n"])
def test_an_identifier_has_no_special_characters(text):
    """It enters paths and filters."""
    with pytest.raises(ValueError, match="must be text like"):
        build(IDENTIFIER, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
)


@given(
    raw=JSON, kind=st.sampled_from([Window, list[Corner], dict[str, tuple[int, str]], float | None, IDENTIFIER, Any])
)
def test_any_json_is_built_or_refused(raw, kind):
    """No other error is raised, and its message is one line."""
    try:
        build(kind, raw)
    except ValueError as error:
        message = str(error)
    else:
        message = ""
    assert len(message.splitlines()) <= 1
