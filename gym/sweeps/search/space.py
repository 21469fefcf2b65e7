"""What a search may choose from: Hydra's sweep syntax made Optuna's distributions, and a choice made an override again.

    schedule.max_rate=tag(log,interval(1e-4,1e-2))   a real number, by its logarithm
    model.dropout=interval(0,0.4)                    a real number
    model.filters=int(interval(2,12))                a whole number, 2 and 12 among them
    model.filters=tag(log,int(interval(2,64)))       likewise, by its logarithm
    training.batch=range(2,9,2)                      2, 4, 6 or 8: as everywhere in Hydra, not the stop
    loss=cce,dice,kld                                one of them; choice(cce,dice,kld) too
    seed=1                                           the same in every trial

Steps are reckoned as the decimal fractions they are written as: ``range(0,0.9,0.3)`` ends at 0.6, where Hydra itself,
which adds binary fractions, goes on to 0.8999999999999999.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from hydra.core.config_loader import ConfigLoader
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
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gym.core.errors import ConfigError

MOST_POINTS = 10_000  # of a grid: Optuna holds all of them, and nobody trains so many models

Value = None | bool | int | float | str


@dataclass(frozen=True)
class SearchSpace:
    """What the trials of a search have in common, and what each of them chooses.

    Attributes:
        fixed: Overrides that all trials have, as they were written.
        distributions: What is chosen, by key; a key has the ``+`` it was written with.
        texts: Of each key with choices what Hydra reads as them, in their order.
    """

    fixed: list[str]
    distributions: dict[str, BaseDistribution]
    texts: dict[str, list[str]]

    def override_of(self, key: str, value: Value) -> str:
        """The override that Hydra reads as this value, with its type and every digit.

        A value between two steps, as sums of binary fractions are, is put on the nearer one.
        """
        distribution = self.distributions[key]
        if isinstance(distribution, CategoricalDistribution):
            return f"{key}={self.texts[key][int(distribution.to_internal_repr(value))]}"
        return f"{key}={nearest(distribution, value)!r}"

    def overrides_of(self, chosen: Mapping[str, Value]) -> list[str]:
        """All overrides of a trial."""
        return [*self.fixed, *(self.override_of(key, value) for key, value in chosen.items())]

    def words(self) -> dict[str, str]:
        """What each key may be, in words that are equal only where the choice is."""
        return {key: word(distribution) for key, distribution in self.distributions.items()}

    def grid(self) -> dict[str, list[Value]]:
        """All values of every key.

        Raises:
            ConfigError: A key has no end of values, or there are more than `MOST_POINTS` combinations.
        """
        points = math.prod(count_values(key, distribution) for key, distribution in self.distributions.items())
        if points > MOST_POINTS:
            raise ConfigError(
                f"the grid has {points:,} points, and more than {MOST_POINTS:,} are too many; "
                "leave values out, or choose another sampler."
            )
        return {key: values_of(distribution) for key, distribution in self.distributions.items()}


def read_space(overrides: Sequence[str], config_loader: ConfigLoader | None = None) -> SearchSpace:
    """Read the overrides of a search; of two of one key the later counts.

    Args:
        overrides: As Hydra takes them; numbers that name an option of a group are quoted, as in ``filters='2','4'``.
        config_loader: Finds the options that ``loss=glob(*)`` means.

    Raises:
        ConfigError: One cannot be read or drawn from, or none leaves anything to choose.
    """
    by_key: dict[str, Override] = {}
    for override in parse(overrides, config_loader):
        key = override.get_key_element()
        by_key.pop(key, None)
        by_key[key] = override
    swept = {key: override for key, override in by_key.items() if override.is_sweep_override()}
    if not swept:
        raise ConfigError("there is nothing to search; give a key several values, as in model.dropout=interval(0,0.4).")
    return SearchSpace(
        fixed=[override.input_line or key for key, override in by_key.items() if key not in swept],
        distributions={key: distribution_of(override) for key, override in swept.items()},
        texts={
            key: [Transformer.str(choice) for choice in choices_of(override)]
            for key, override in swept.items()
            if override.is_choice_sweep()
        },
    )


def parse(overrides: Sequence[str], config_loader: ConfigLoader | None) -> list[Override]:
    """Parse overrides as Hydra does.

    Raises:
        ConfigError: One is none.
    """
    try:
        return OverridesParser.create(config_loader).parse_overrides(list(overrides))
    except OverrideParseException as error:
        lines = str(error).splitlines()
        reason = next((line for line in lines if " while evaluating " in line), lines[0])
        raise ConfigError(
            f"{error.override} cannot be read ({reason}); "
            "give key=interval(low,high), key=range(low,stop,step), key=one,another or key=value."
        ) from error


def distribution_of(override: Override) -> BaseDistribution:
    """What one override leaves to choose.

    Raises:
        ConfigError: Nothing can be drawn from it.
    """
    written, sweep = override.input_line, override.value()
    tags = sweep.tags if isinstance(sweep, Sweep) else set()
    if unknown := sorted(tags - {"log"}):
        raise ConfigError(f"{written} has the tag {unknown[0]}, which means nothing here; log is the only tag.")
    if not tags and "tag(" in override.get_value_string():
        raise ConfigError(f"{written} loses its tag to what is around it; put tag(log,...) outermost.")
    if isinstance(sweep, IntervalSweep):
        return interval_distribution(written, sweep)
    if isinstance(sweep, RangeSweep):
        return range_distribution(written, sweep)
    if tags:
        raise ConfigError(f"{written} lists its values, which have no logarithm; leave the tag out.")
    return choice_distribution(written, choices_of(override))


def interval_distribution(written: str | None, sweep: IntervalSweep) -> BaseDistribution:
    """Every number between two, both of them included."""
    low, high = sweep.start, sweep.end
    assert low is not None
    assert high is not None
    is_log = "log" in sweep.tags
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ConfigError(f"{written} has no end; give two finite bounds.")
    if low > high:
        raise ConfigError(f"{written} must go from the lower bound to the higher; swap them.")
    if is_log and low <= 0:
        raise ConfigError(f"{written} starts at {low:g}, which has no logarithm; start above 0, or leave the tag out.")
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=is_log)
    return FloatDistribution(low, high, log=is_log)


def range_distribution(written: str | None, sweep: RangeSweep) -> BaseDistribution:
    """Every step from the start up, or down, to the stop, without the stop itself."""
    bounds = (sweep.start, sweep.stop, sweep.step)
    if not all(math.isfinite(bound) for bound in bounds if bound is not None):
        raise ConfigError(f"{written} has no end; give a finite start, stop and step.")
    start, stop, step = (exactly(bound) for bound in bounds)
    count = math.ceil((stop - start) / step) if step else 0
    if count <= 0:
        raise ConfigError(f"{written} holds no value; give a stop beyond the start, and a step towards it.")
    low, high = sorted((start, start + (count - 1) * step))
    is_whole, is_log = all(isinstance(bound, int) for bound in bounds), "log" in sweep.tags
    if is_log and not (is_whole and abs(step) == 1 and low > 0):
        raise ConfigError(f"{written} can be drawn by its logarithm only from 1 or above in steps of 1; use interval.")
    if is_whole:
        return IntDistribution(int(low), int(high), log=is_log, step=int(abs(step)))
    return FloatDistribution(float(low), float(high), step=float(abs(step)))


def choice_distribution(written: str | None, choices: Sequence[Any]) -> CategoricalDistribution:
    """One of several; what Optuna cannot hold, a list or a mapping, goes by its text."""
    values = [plain(choice) for choice in choices]
    if not values:
        raise ConfigError(f"{written} names nothing that there is; name an option of the group.")
    if len(set(values)) < len(values):
        raise ConfigError(f"{written} has the same value twice (1, 1.0 and true are one here); give each once.")
    if any(isinstance(value, float) and math.isnan(value) for value in values):
        raise ConfigError(f"{written} offers nan, which is no value; leave it out.")
    return CategoricalDistribution(values)


def choices_of(override: Override) -> list[Any]:
    """The elements of a list as Hydra parsed them, in the order they are written in."""
    sweep = override.value()
    return sweep.list if isinstance(sweep, ChoiceSweep) else list(override.sweep_iterator())


def plain(choice: Any) -> Value:
    """An element of a list as Optuna can hold it."""
    if isinstance(choice, QuotedString):
        return choice.text
    return choice if choice is None or isinstance(choice, bool | int | float | str) else Transformer.str(choice)


def exactly(number: float | None) -> Fraction:
    """The number that was written, not the binary fraction next to it."""
    return Fraction(repr(number))


def nearest(distribution: BaseDistribution, value: Any) -> int | float:
    """A number of a distribution in its type, on a step where there are steps."""
    if isinstance(distribution, IntDistribution):
        return int(value)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return float(on_step(distribution, round((value - distribution.low) / distribution.step)))
    return float(value)


def on_step(distribution: FloatDistribution, number: int) -> Fraction:
    """A step of a distribution, counted from 0."""
    return exactly(distribution.low) + number * exactly(distribution.step)


def count_values(key: str, distribution: BaseDistribution) -> int:
    """How many values a key may have.

    Raises:
        ConfigError: There is no end of them.
    """
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    if distribution.step is None:
        raise ConfigError(
            f"{key} has no end of values, and a grid visits each; give range(low,stop,step) or a list, "
            "or choose another sampler."
        )
    return round((distribution.high - distribution.low) / distribution.step) + 1


def values_of(distribution: BaseDistribution) -> list[Value]:
    """All values of a distribution of which there is an end."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    assert isinstance(distribution, FloatDistribution)
    return [float(on_step(distribution, number)) for number in range(count_values("", distribution))]


def word(distribution: BaseDistribution) -> str:
    """A distribution in words; whole numbers have no point, and text has quotes."""
    if isinstance(distribution, CategoricalDistribution):
        return "one of " + ", ".join(map(repr, distribution.choices))
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    words = f"{distribution.low!r} to {distribution.high!r}"
    if distribution.log:
        return f"{words}, by its logarithm"
    return words if distribution.step is None else f"{words} in steps of {distribution.step!r}"
