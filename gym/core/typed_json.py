"""Build typed values from JSON, so that a damaged file is found where it is read and not where it is used."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from gym.core.escape import escape_text

# A run or an attempt, which enters paths and the filters of MLflow.
IDENTIFIER = re.compile(r"[\w-]*", re.ASCII)

_LARGEST = 2**63  # NumPy and databases hold no larger integers
_WORDS: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_WORDS |= {type(None): "null", list: "a list", tuple: "a list", dict: "an object"}

Build = Callable[[Any, str], Any]  # from a value in JSON and its name to the typed value


def build(kind: Any, raw: Any, name: str = "the file") -> Any:
    """Build a value of a type from JSON.

    Args:
        kind: A dataclass, a named tuple, ``list``, ``tuple`` or ``dict`` of types, a union, a type of plain values, or
            a regular expression that text must match. Whole numbers are accepted as ``float``, booleans never as
            numbers. ``Any`` is not checked.
        raw: The value, as returned by `gym.core.files.read_json`.
        name: What to call the value in errors.

    Raises:
        ValueError: The value has another type, a field is missing or unknown, or an integer exceeds 64 bits.
    """
    return _builder(kind)(raw, name)


def build_fields(kinds: Mapping[str, Any], raw: Any) -> dict[str, Any]:
    """Build an object whose fields have the given types; missing fields are left out, further ones are kept.

    Raises:
        ValueError: The value is not an object, or a field has another type.
    """
    return {name: build(kinds.get(name, Any), value, name) for name, value in build(dict[str, Any], raw).items()}


@cache
def _builder(kind: Any) -> Build:
    whole, parts = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _dataclass_builder(kind)
    if hasattr(kind, "_fields"):  # a named tuple, which JSON represents as a list
        return _named_tuple_builder(kind)
    if whole is tuple and parts[-1] is not ...:
        return _tuple_builder(tuple, parts)
    if whole in (list, tuple):
        return _sequence_builder(whole, parts[0])
    if whole is dict:
        return _mapping_builder(parts[1])
    if whole is UnionType:
        return _union_builder(parts)
    if isinstance(kind, re.Pattern):
        return _text_builder(kind)
    return _value_builder(kind)


def _named_tuple_builder(kind: Any) -> Build:
    hints = get_type_hints(kind)
    return _tuple_builder(lambda values: kind(*values), [hints[name] for name in kind._fields])


def _dataclass_builder(kind: Any) -> Build:
    hints = get_type_hints(kind)
    builders = {field.name: _builder(hints[field.name]) for field in fields(kind)}
    required = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]

    def build_object(raw: Any, name: str) -> Any:
        if not isinstance(raw, dict):
            _refuse(raw, name, f"an object with the fields of {kind.__name__}")
        for missing in (field for field in required if field not in raw):
            raise ValueError(f"{missing} is missing from {name}")
        for unknown in (field for field in raw if field not in builders):
            raise ValueError(f"{unknown!r:.40} is an unknown field of {name}")
        return kind(**{field: builders[field](value, field) for field, value in raw.items()})

    return build_object


def _tuple_builder(make: Callable[[Any], Any], kinds: Any) -> Build:
    builders = [_builder(kind) for kind in kinds]

    def build_tuple(raw: Any, name: str) -> Any:
        if not isinstance(raw, list) or len(raw) != len(builders):
            _refuse(raw, name, f"a list of {len(builders)} values")
        return make([part(value, name) for part, value in zip(builders, raw, strict=True)])

    return build_tuple


def _sequence_builder(make: Callable[[Any], Any], kind: Any) -> Build:
    builder = _builder(kind)

    def build_sequence(raw: Any, name: str) -> Any:
        return make([builder(value, name) for value in raw]) if isinstance(raw, list) else _refuse(raw, name, "a list")

    return build_sequence


def _mapping_builder(kind: Any) -> Build:
    builder = _builder(kind)

    def build_mapping(raw: Any, name: str) -> Any:
        if not isinstance(raw, dict):
            _refuse(raw, name, "an object")
        return {key: builder(value, f"{name}.{key:.40}") for key, value in raw.items()}

    return build_mapping


def _union_builder(kinds: tuple[Any, ...]) -> Build:
    builders = [_builder(kind) for kind in kinds]

    def build_union(raw: Any, name: str) -> Any:
        reasons = []
        for builder in builders:
            try:
                return builder(raw, name)
            except ValueError as error:
                reasons.append(str(error))
        raise ValueError(reasons[0])

    return build_union


def _text_builder(pattern: re.Pattern[str]) -> Build:
    def build_text(raw: Any, name: str) -> Any:
        return (
            raw
            if isinstance(raw, str) and pattern.fullmatch(raw)
            else _refuse(raw, name, f"text like {pattern.pattern}")
        )

    return build_text


def _value_builder(kind: Any) -> Build:
    def build_value(raw: Any, name: str) -> Any:
        if kind is Any:
            return raw
        if type(raw) is not kind and not (kind is float and type(raw) is int):
            _refuse(raw, name, _WORDS.get(kind, str(kind)))
        if type(raw) is int and abs(raw) >= _LARGEST:
            raise ValueError(f"{escape_text(name)} must be a number of at most 64 bits")
        return raw

    return build_value


def _refuse(raw: Any, name: str, rule: str) -> NoReturn:
    raise ValueError(f"{escape_text(name)} must be {rule}, not {raw!r:.40}")
