"""Spectral indices: arithmetic over band names, as in ``(green - nir) / (green + nir)``.

An expression is parsed, held against the few things arithmetic needs, and worked out node by node: no code in it can
ever run. Band names are matched in any case; they begin with a letter and hold letters, digits and underscores. Nothing
heavy is imported here, so that a wrong index is refused at once.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gym.core.errors import ConfigError

# All are ratios in which a common factor of the bands cancels, so that they need no calibrated imagery.
KNOWN = {
    "NDVI": "(nir - red) / (nir + red)",  # vegetation; Rouse et al. 1974, NASA SP-351; doi:10.1016/0034-4257(79)90013-0
    "NDWI": "(green - nir) / (green + nir)",  # open water; McFeeters 1996, doi:10.1080/01431169608948714
    "MNDWI": "(green - swir) / (green + swir)",  # water beside buildings; Xu 2006, doi:10.1080/01431160600589179
    "NDMI": "(nir - swir) / (nir + swir)",  # moisture; Wilson & Sader 2002, doi:10.1016/S0034-4257(01)00318-2
    "NDTI": "(red - green) / (red + green)",  # turbidity; Lacaux et al. 2007, doi:10.1016/j.rse.2006.07.012
}

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_ARITHMETIC = (ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.USub, *_OPERATORS)
_LONGEST = 200
_LARGEST_EXPONENT = 8
_EXAMPLE = "water=(green - nir) / (green + nir)"


@dataclass(frozen=True)
class Index:
    """A further band: its name, and the arithmetic that makes it from the others."""

    name: str
    expression: str


def parse_index(text: str) -> Index:
    """Read an index: a name of `KNOWN` in any case, or ``name=expression``.

    An expression has band names, numbers, ``+ - * / **``, the unary minus and parentheses, in at most 200 characters.
    An exponent is a number from -8 to 8.

    Raises:
        ConfigError: The name is not known or cannot be one, or the expression is more than arithmetic.
    """
    name, equals, expression = (part.strip() for part in text.partition("="))
    if not equals:
        if name.upper() not in KNOWN:
            raise ConfigError(
                f"data.indices: {text!r} must be one of {', '.join(KNOWN)}, or name=expression, as in {_EXAMPLE}."
            )
        return Index(name.upper(), KNOWN[name.upper()])
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or "__" in name:
        raise ConfigError(
            f"data.indices: {name!r} must be a name of letters, digits and single underscores, as in {_EXAMPLE}."
        )
    _tree(expression)
    return Index(name, expression)


def bands_of(index: Index) -> list[str]:
    """Name the bands an index is made from, in lower case, each once, in the order of their first use.

    Raises:
        ConfigError: The expression is more than arithmetic.
    """
    names = [node for node in ast.walk(_tree(index.expression)) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(node.id.lower() for node in sorted(names, key=lambda node: node.col_offset)))


def missing_bands(index: Index, bands: Iterable[str]) -> list[str]:
    """Name the bands that an index uses and ``bands``, in any case, lack; in lower case, by first use."""
    there = {band.lower() for band in bands}
    return [band for band in bands_of(index) if band not in there]


def evaluate(index: Index, bands: Mapping[str, Any]) -> Any:
    """Work out an index.

    Args:
        index: What to work out.
        bands: Arrays of one shape, or numbers, by band name in any case; those the index does not use are passed over.
            Integers are taken as floating-point numbers, so that unsigned ones cannot wrap around.

    Returns:
        The index, in the shape of the bands and the scale the arithmetic gives it; what a division by 0 gives is for
        the arrays to say.

    Raises:
        KeyError: There is no such band.
        ConfigError: The expression is more than arithmetic.
    """
    named = {name.lower(): values for name, values in bands.items()}
    return _value(_tree(index.expression), {name: named[name] * 1.0 for name in bands_of(index)})


def _value(node: ast.AST, bands: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name():
            return bands[node.id.lower()]
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp():
            return -_value(node.operand, bands)
        case ast.BinOp():
            return _OPERATORS[type(node.op)](_value(node.left, bands), _value(node.right, bands))


@lru_cache
def _tree(expression: str) -> ast.expr:
    """Parse an expression, and refuse it unless it is arithmetic over at least one band."""
    if len(expression) > _LONGEST:
        raise _refusal(f"{expression[:40]}...", f"has {len(expression)} characters, and {_LONGEST} are the most")
    if not re.fullmatch(r"[A-Za-z0-9_+\-*/(). ]+", expression):
        raise _refusal(expression, "is no arithmetic")
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise _refusal(expression, "is no arithmetic") from error
    for node in ast.walk(tree):
        is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        is_inner_name = isinstance(node, ast.Name) and "__" in node.id
        if is_inner_name or not (is_number or isinstance(node, _ARITHMETIC)):
            raise _refusal(expression, "is no arithmetic")
    if _fold(tree, expression) is not None:
        raise _refusal(expression, "has no band in it")
    return tree


def _fold(node: ast.AST, expression: str) -> float | None:
    """Work out a part without bands, None for one with; refuse numbers that no band may meet."""
    match node:
        case ast.Name():
            return None
        case ast.UnaryOp():
            if _fold(node.operand, expression) is None:
                return None
        case ast.BinOp():
            left, right = _fold(node.left, expression), _fold(node.right, expression)
            if isinstance(node.op, ast.Pow) and (right is None or abs(right) > _LARGEST_EXPONENT):
                raise _refusal(
                    expression, f"has an exponent other than a number from -{_LARGEST_EXPONENT} to {_LARGEST_EXPONENT}"
                )
            if isinstance(node.op, ast.Div) and right == 0:
                raise _refusal(expression, "divides by 0")
            if left is None or right is None:
                return None
    try:
        value = _value(node, {})
    except ArithmeticError:
        value = math.nan
    if isinstance(value, complex) or not math.isfinite(value):
        raise _refusal(expression, f"has no finite number in {ast.unparse(node)}")
    return value


def _refusal(expression: str, problem: str) -> ConfigError:
    return ConfigError(
        f"data.indices: {expression!r} {problem}; "
        f"use band names, numbers, + - * / ** and parentheses, as in {_EXAMPLE}."
    )
