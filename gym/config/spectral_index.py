"""Spectral indices: arithmetic over band names, as in ``(green - nir) / (green + nir)``.

An expression is parsed, checked to contain only arithmetic, and evaluated node by node, so that it can never run code.
Band names are matched in any case; they start with a letter, followed by letters, digits and underscores. Nothing heavy
is imported here, so that a wrong index is refused at once.
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

# All are ratios in which a common factor of the bands cancels, so they do not need calibrated imagery.
NAMED_INDICES = {
    "NDVI": "(nir - red) / (nir + red)",  # vegetation; Rouse et al. 1974, NASA SP-351; doi:10.1016/0034-4257(79)90013-0
    "NDWI": "(green - nir) / (green + nir)",  # open water; McFeeters 1996, doi:10.1080/01431169608948714
    "MNDWI": "(green - swir) / (green + swir)",  # water near buildings; Xu 2006, doi:10.1080/01431160600589179
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
    """A spectral index: its name, and the arithmetic that computes it from bands."""

    name: str
    expression: str


def parse_index(text: str) -> Index:
    """Parse an index: a name of `NAMED_INDICES` in any case, or ``name=expression``.

    An expression consists of band names, numbers, ``+ - * / **``, the unary minus and parentheses, and has at most 200
    characters. An exponent is a number from -8 to 8.

    Raises:
        ConfigError: The name is unknown or invalid, or the expression is not arithmetic.
    """
    name, equals, expression = (part.strip() for part in text.partition("="))
    if not equals:
        if name.upper() not in NAMED_INDICES:
            known = ", ".join(NAMED_INDICES)
            raise ConfigError(f"data.indices: {text!r} must be one of {known}, or name=expression, as in {_EXAMPLE}.")
        return Index(name.upper(), NAMED_INDICES[name.upper()])
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) or "__" in name:
        raise ConfigError(
            f"data.indices: {name!r} must be a name of letters, digits and single underscores, as in {_EXAMPLE}."
        )
    _parse(expression)
    return Index(name, expression)


def band_names(index: Index) -> list[str]:
    """List the bands that an index uses, in lower case, each once, in order of first use.

    Raises:
        ConfigError: The expression is not arithmetic.
    """
    names = [node for node in ast.walk(_parse(index.expression)) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(node.id.lower() for node in sorted(names, key=lambda node: node.col_offset)))


def missing_bands(index: Index, bands: Iterable[str]) -> list[str]:
    """List the bands that an index uses but ``bands`` lacks, in lower case and in order of first use."""
    present = {band.lower() for band in bands}
    return [band for band in band_names(index) if band not in present]


def compute_index(index: Index, bands: Mapping[str, Any]) -> Any:
    """Compute an index.

    Args:
        index: The index.
        bands: Arrays of one shape, or numbers, by band name in any case. Bands that the index does not use are ignored.
            Integers are converted to floating point, so that unsigned ones cannot wrap around.

    Returns:
        The index in the shape of the bands, unscaled. Division by 0 behaves as it does for the arrays.

    Raises:
        KeyError: A band is missing.
        ConfigError: The expression is not arithmetic.
    """
    named = {name.lower(): values for name, values in bands.items()}
    return _value(_parse(index.expression), {name: named[name] * 1.0 for name in band_names(index)})


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
def _parse(expression: str) -> ast.expr:
    """Parse an expression; refuse it unless it is arithmetic over at least one band."""
    if len(expression) > _LONGEST:
        raise _error(f"{expression[:40]}...", f"has {len(expression)} characters, but at most {_LONGEST} are allowed")
    if not re.fullmatch(r"[A-Za-z0-9_+\-*/(). ]+", expression):
        raise _error(expression, "is not arithmetic")
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise _error(expression, "is not arithmetic") from error
    for node in ast.walk(tree):
        is_number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
        is_inner_name = isinstance(node, ast.Name) and "__" in node.id
        if is_inner_name or not (is_number or isinstance(node, _ARITHMETIC)):
            raise _error(expression, "is not arithmetic")
    if _fold(tree, expression) is not None:
        raise _error(expression, "uses no band")
    return tree


def _fold(node: ast.AST, expression: str) -> float | None:
    """Evaluate a part without bands, or return None for a part with bands; refuse numbers that are not finite."""
    match node:
        case ast.Name():
            return None
        case ast.UnaryOp():
            if _fold(node.operand, expression) is None:
                return None
        case ast.BinOp():
            left, right = _fold(node.left, expression), _fold(node.right, expression)
            if isinstance(node.op, ast.Pow) and (right is None or abs(right) > _LARGEST_EXPONENT):
                raise _error(
                    expression, f"has an exponent that is not a number from -{_LARGEST_EXPONENT} to {_LARGEST_EXPONENT}"
                )
            if isinstance(node.op, ast.Div) and right == 0:
                raise _error(expression, "divides by 0")
            if left is None or right is None:
                return None
    try:
        value = _value(node, {})
    except ArithmeticError:
        value = math.nan
    if isinstance(value, complex) or not math.isfinite(value):
        raise _error(expression, f"contains {ast.unparse(node)}, which is not a finite number")
    return value


def _error(expression: str, problem: str) -> ConfigError:
    return ConfigError(
        f"data.indices: {expression!r} {problem}; "
        f"use band names, numbers, + - * / ** and parentheses, as in {_EXAMPLE}."
    )
