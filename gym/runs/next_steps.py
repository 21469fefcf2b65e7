"""What to do after a run or a sweep, as commands that can be copied."""

import re
import shlex
from collections.abc import Sequence

from gym.config.overrides import format_value
from gym.config.plugins import format_plugins
from gym.config.schema import BEST, Config, TrackingConfig
from gym.core.redaction import redact


def format_run_steps(run_id: str, outputs: str, tracking: TrackingConfig, plugins: Sequence[str] = ()) -> list[str]:
    """Return lines that say where a run is logged, and what to do with it."""
    return [f"logged as run {run_id}", *_model_steps(run_id, _format_place(outputs, tracking, plugins), outputs)]


def format_sweep_steps(name: str, outputs: str, tracking: TrackingConfig, plugins: Sequence[str] = ()) -> list[str]:
    """Return lines that say where a sweep is logged, and what to do with it and its best run."""
    place = _format_place(outputs, tracking, plugins)
    view, *steps = _model_steps(f"{BEST}{name}", place, outputs)
    return [
        f"logged as sweep {name}",
        view,
        f"  report:   python -m gym.report {_choose('sweep', name)}{place}",
        *steps,
    ]


def _model_steps(address: str, place: str, outputs: str) -> list[str]:
    run = _choose("run", address)
    return [
        "  view:     ./scripts/ui" + (f" 5000 {shlex.quote(outputs)}" if outputs != Config.outputs else ""),
        f"  evaluate: python -m gym.evaluate {run}{place}",
        f"  predict:  python -m gym.predict {run} input=IMAGES output=LABELS{place}",
    ]


def _choose(key: str, name: str) -> str:
    value = name if re.fullmatch(r"[\w.:-]+( [\w.:-]+)*", name, re.ASCII) else format_value(name)
    return shlex.quote(f"{key}={value}")


def _format_place(outputs: str, tracking: TrackingConfig, plugins: Sequence[str]) -> str:
    """Return the overrides by which another command finds the same MLflow and plugins."""
    places = {"outputs": (outputs, Config.outputs), "tracking.uri": (tracking.uri, TrackingConfig.uri)}
    places["tracking.experiment"] = (tracking.experiment, TrackingConfig.experiment)
    where = "".join(
        f" {shlex.quote(f'{key}={redact(value)}')}" for key, (value, default) in places.items() if value != default
    )
    return where + (f" {format_plugins(plugins)}" if plugins else "")
