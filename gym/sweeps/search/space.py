"""Search space: Hydra's sweep syntax is turned into Optuna's distributions, and sampled values back into overrides.

    schedule.max_rate=tag(log,interval(1e-4,1e-2))   a real number on a logarithmic scale
    model.dropout=interval(0,0.4)                    a real number
    model.filters=int(interval(2,12))                an integer from 2 to 12
    model.filters=tag(log,int(interval(2,64)))       an integer on a logarithmic scale
    training.batch=range(2,9,2)                      2, 4, 6 or 8; as in Hydra, without the stop
    loss=cce,dice,kld                                one of them; also choice(cce,dice,kld)
    seed=1                                           the same in every trial

Steps are computed as decimal fractions: ``range(0,0.9,0.3)`` ends at 0.6. Hydra itself adds binary fractions and
continues to 0.8999999999999999.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from hydra.errors import OverrideParseException
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from gym.core.errors import ConfigError

_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
MAX_GRID_POINTS = 10_000  # Optuna keeps all points in memory

Value = None | bool | int | float | str
Distribution = CategoricalDistribution | IntDistribution | FloatDistribution


@dataclass(frozen=True)
class SearchSpace:
    """The overrides that all trials share, and the distributions that each trial samples from.

    Attributes:
        fixed: Overrides of all trials, as written.
        distributions: Distribution of each searched key. A key includes a leading ``+``.
        texts: Hydra's text for each choice of a categorical key, in order.
    """

    fixed: list[str]
    distributions: dict[str, Distribution]
    texts: dict[str, list[str]]

    def format_override(self, key: str, value: Value) -> str:
        """Return the override that Hydra parses as exactly this value and type.

        A value between two steps, a result of adding binary fractions, is moved to the nearer step.
        """
        distribution = self.distributions[key]
        if isinstance(distribution, CategoricalDistribution):
            return f"{key}={self.texts[key][int(distribution.to_internal_repr(value))]}"
        return f"{key}={snap_to_step(distribution, value)!r}"

    def trial_overrides(self, params: Mapping[str, Value]) -> list[str]:
        """Return all overrides of a trial with these parameters."""
        return [*self.fixed, *(self.format_override(key, value) for key, value in params.items())]

    def describe(self) -> dict[str, str]:
        """Describe the distribution of each key; equal descriptions mean equal distributions."""
        return {key: describe_distribution(distribution) for key, distribution in self.distributions.items()}

    def grid(self) -> dict[str, list[Value]]:
        """Return all values of each key.

        Raises:
            ConfigError: A key has infinitely many values, or there are more than `MAX_GRID_POINTS` combinations.
        """
        points = math.prod(count_values(key, distribution) for key, distribution in self.distributions.items())
        if points > MAX_GRID_POINTS:
            raise ConfigError(
                f"the grid has {points:,} points, but at most {MAX_GRID_POINTS:,} are supported; "
                "remove values, or use another search.sampler."
            )
        return {key: list_values(distribution) for key, distribution in self.distributions.items()}


def read_space(overrides: Sequence[str]) -> SearchSpace:
    """Read the search space from overrides; the last override of a key wins.

    Args:
        overrides: Hydra overrides. Option names that are numbers must be quoted, as in ``filters='2','4'``.

    Raises:
        ConfigError: An override is invalid, or no key has more than one value.
    """
    by_key: dict[str, Override] = {}
    for override in parse_overrides(overrides):
        key = override.get_key_element()
        by_key.pop(key, None)  # the order is that of the last overrides
        by_key[key] = override
    swept = {key: override for key, override in by_key.items() if override.is_sweep_override()}
    if not swept:
        raise ConfigError(
            "there is nothing to search because every key has a single value; "
            "give one a range, as in model.dropout=interval(0,0.4)."
        )
    return SearchSpace(
        fixed=[override.input_line or key for key, override in by_key.items() if key not in swept],
        distributions={key: read_distribution(override) for key, override in swept.items()},
        texts={
            key: [Transformer.str(choice) for choice in list_choices(override)]
            for key, override in swept.items()
            if override.is_choice_sweep()
        },
    )


def parse_overrides(overrides: Sequence[str]) -> list[Override]:
    """Parse overrides with Hydra.

    Raises:
        ConfigError: The syntax of an override is invalid.
    """
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        lines = str(error).splitlines()
        reason = next((line for line in lines if " while evaluating " in line), lines[0])
        raise ConfigError(
            f"{error.override} cannot be parsed ({reason}); "
            "use key=interval(low,high), key=range(low,stop,step), key=one,another or key=value."
        ) from error


def read_distribution(override: Override) -> Distribution:
    """Return the distribution that an override describes.

    Raises:
        ConfigError: It does not describe a distribution.
    """
    written, sweep = override.input_line, override.value()
    tags = sweep.tags if isinstance(sweep, Sweep) else set()
    if unknown := sorted(tags - {"log"}):
        raise ConfigError(f"{written} has the unknown tag {unknown[0]}; the only supported tag is log.")
    if not tags and "tag(" in _QUOTED.sub("", override.get_value_string()):
        raise ConfigError(f"{written} loses its tag inside the conversion; put tag(log,...) around it.")
    if isinstance(sweep, IntervalSweep):
        return interval_distribution(written, sweep)
    if isinstance(sweep, RangeSweep):
        return range_distribution(written, sweep)
    if tags:
        raise ConfigError(f"{written} is a list, which cannot have a logarithmic scale; remove the tag.")
    return choice_distribution(written, list_choices(override))


def interval_distribution(written: str | None, sweep: IntervalSweep) -> Distribution:
    """Return the distribution of ``interval(low,high)``, which includes both bounds.

    Args:
        written: The override, for error messages.
        sweep: The parsed interval.

    Raises:
        ConfigError: The bounds are infinite, reversed, or not positive on a logarithmic scale.
    """
    low, high = sweep.start, sweep.end
    assert low is not None
    assert high is not None
    is_log = "log" in sweep.tags
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{written} must have finite bounds, as in interval(0,1).")
    if low > high:
        raise ConfigError(f"{written} must start with the lower bound; swap the bounds.")
    if is_log and low <= 0:
        raise ConfigError(f"{written} starts at {low:g}, but a logarithmic scale must start above 0; raise it.")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(low, high, log=is_log)


def range_distribution(written: str | None, sweep: RangeSweep) -> Distribution:
    """Return the distribution of ``range(start,stop,step)``, which excludes the stop.

    Args:
        written: The override, for error messages.
        sweep: The parsed range. It may go downward.

    Raises:
        ConfigError: The range is infinite or empty, or unsuited to a logarithmic scale.
    """
    bounds = (sweep.start, sweep.stop, sweep.step)
    if not all(math.isfinite(bound) for bound in bounds if bound is not None):
        raise ConfigError(f"{written} must have a finite start, stop and step, as in range(2,9,2).")
    start, stop, step = (exact_decimal(bound) for bound in bounds)
    count = math.ceil((stop - start) / step) if step else 0
    if count <= 0:
        raise ConfigError(f"{written} is empty; choose a stop beyond the start, and a step in its direction.")
    low, high = sorted((start, start + (count - 1) * step))
    is_whole, is_log = all(isinstance(bound, int) for bound in bounds), "log" in sweep.tags
    if is_log and not (is_whole and abs(step) == 1 and low > 0):
        raise ConfigError(
            f"{written} needs a start of at least 1 and a step of 1 for a logarithmic scale; use interval."
        )
    if is_whole:
        return IntDistribution(int(low), int(high), log=is_log, step=int(abs(step)))
    return FloatDistribution(float(low), float(high), step=float(abs(step)))


def choice_distribution(written: str | None, choices: Sequence[Any]) -> CategoricalDistribution:
    """Return the distribution over a list of choices.

    Args:
        written: The override, for error messages.
        choices: Choices as parsed by Hydra. Lists and mappings, which Optuna does not support, become text.

    Raises:
        ConfigError: The list is empty, or contains duplicates or NaN.
    """
    values = [to_optuna_value(choice) for choice in choices]
    if not values:
        raise ConfigError(f"{written} has no values; list at least one.")
    if len(set(values)) < len(values):
        raise ConfigError(f"{written} contains equal values (1, 1.0 and true are equal); list each value once.")
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        raise ConfigError(f"{written} contains nan, which is not a valid choice; remove it.")
    return CategoricalDistribution(values)


def list_choices(override: Override) -> list[Any]:
    """Return the elements of a list as parsed by Hydra, in the order in which they are written."""
    sweep = override.value()
    return sweep.list if isinstance(sweep, ChoiceSweep) else list(override.sweep_iterator())


def to_optuna_value(choice: Any) -> Value:
    """Convert an element of a list to a type that Optuna can store."""
    if isinstance(choice, QuotedString):
        return choice.text
    return choice if choice is None or isinstance(choice, bool | int | float | str) else Transformer.str(choice)


def exact_decimal(number: float | None) -> Fraction:
    """Return the decimal number as written, instead of the nearest binary fraction."""
    return Fraction(repr(number))


def snap_to_step(distribution: Distribution, value: Any) -> int | float:
    """Convert a sampled number to the type of its distribution, and move it to the nearest step if there are steps."""
    if isinstance(distribution, IntDistribution):
        return int(value)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return step_value(distribution, round((value - distribution.low) / distribution.step))
    return float(value)


def step_value(distribution: FloatDistribution, index: int) -> float:
    """Return the value of a step, counted from 0."""
    return float(exact_decimal(distribution.low) + index * exact_decimal(distribution.step))


def count_values(key: str, distribution: Distribution) -> int:
    """Return the number of values of a key.

    Raises:
        ConfigError: The number is infinite.
    """
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if distribution.step is None:
        raise ConfigError(
            f"{key} has infinitely many values, but search.sampler=grid tries all of them; "
            "use range(low,stop,step) or a list, or another sampler."
        )
    return round((distribution.high - distribution.low) / distribution.step) + 1


def list_values(distribution: Distribution) -> list[Value]:
    """Return all values of a finite distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    return [step_value(distribution, index) for index in range(count_values("", distribution))]


def describe_distribution(distribution: Distribution) -> str:
    """Describe a distribution; integers have no decimal point, and text is quoted.

    The description is stored with the study and enters the name of the search, so it must never change.
    """
    if isinstance(distribution, CategoricalDistribution):
        return "one of " + ", ".join(map(repr, distribution.choices))
    bounds = f"{distribution.low!r} to {distribution.high!r}"
    if distribution.log:
        return f"{bounds}, by its logarithm"
    return bounds if distribution.step is None else f"{bounds} in steps of {distribution.step!r}"
