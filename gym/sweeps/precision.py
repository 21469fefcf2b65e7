"""Resolve ``training.precision=auto`` once for all runs of a sweep, on a machine that trains them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf

from gym.config.schema import AUTO, Config
from gym.core.errors import RunError, first_line
from gym.core.text import pluralize
from gym.sweeps.ledger import ENDED
from gym.sweeps.plan import Overrides, PlannedRun
from gym.sweeps.sweep_folder import SweepFolder
from gym.training.precision import MEASURED, Choice, choose_precision

MEASURE = -2  # the value of sweep.job that asks a worker to measure instead of training a run

_KEY = "training.precision"
# Launchers that start their runs on this machine. All others may start them elsewhere.
_LOCAL = ("BasicLauncher", "JoblibLauncher", "LocalLauncher")

_EARLIER = (
    "ended under version 0.1.0, which clipped cce and kld (loss.clip=true) and did not record the data type of "
    "training.precision=auto"
)

log = logging.getLogger(__name__)


def resolve_precision(folder: SweepFolder, measure: Callable[[], Choice]) -> str:
    """Return the data type of a sweep: the one recorded in its folder, or else the fastest one, which is recorded.

    So a sweep that resumes on another machine, or after the cache was emptied, does not mix data types.

    Args:
        folder: The folder of the sweep, locked by this process and initialized.
        measure: Measures where the runs will be trained.
    """
    known = folder.read_metadata()
    if "precision" in known:
        precision, reason = known["precision"], "as recorded when this sweep began"
    else:
        precision, reason = measure()
        folder.write_metadata(known | {"precision": precision, MEASURED: reason})
    log.info("training.precision=auto: %s (%s)", precision, reason)
    return str(precision)


def resolve_precisions(
    folder: SweepFolder, configs: Sequence[Config], combinations: Sequence[Overrides], measure: Callable[[], Choice]
) -> tuple[list[Config], list[Overrides]]:
    """Put the data type of a sweep in the place of ``auto``, in configurations and in their overrides.

    Args:
        folder: The folder of the sweep, locked by this process and initialized.
        configs: The configurations.
        combinations: The overrides that each was composed from.
        measure: Measures where the runs will be trained; called if a configuration has ``auto``, and only once.
    """
    if not is_auto(configs):
        return list(configs), list(combinations)
    precision = resolve_precision(folder, measure)
    pairs = [set_precision(*pair, precision) for pair in zip(configs, combinations, strict=True)]
    return [config for config, _ in pairs], [overrides for _, overrides in pairs]


def is_auto(configs: Sequence[Config]) -> bool:
    """Whether a configuration leaves its data type to a measurement."""
    return any(config.training.precision == AUTO for config in configs)


def known_precision(folder: SweepFolder, threads: int) -> str:
    """Return the recorded data type of a sweep, or else the fastest one on this machine, without recording it."""
    return str(folder.read_metadata().get("precision") or choose_precision(threads).precision)


def set_precision(config: Config, overrides: Overrides, precision: str) -> tuple[Config, Overrides]:
    """Put a data type in the place of ``auto``, in a configuration and in the overrides that it was composed from."""
    if config.training.precision != AUTO:
        return config, overrides
    training = replace(config.training, precision=precision)
    return replace(config, training=training), [*drop_precision(overrides), f"{_KEY}={precision}"]


def drop_precision(overrides: Sequence[str]) -> list[str]:
    """Leave out the overrides of the data type."""
    return [override for override in overrides if override.lstrip("+").partition("=")[0] != _KEY]


def make_measure(launcher: Launcher, config: DictConfig, overrides: Overrides, threads: int) -> Callable[[], Choice]:
    """Return a function that measures here, or in a job of the launcher if it starts its runs on other machines.

    Args:
        launcher: Hydra's launcher.
        config: Composed configuration of the sweep, including Hydra's part.
        overrides: Those of a run of the sweep.
        threads: CPU threads of a run; 0 means all that it may use.
    """
    target = str(OmegaConf.select(config, "hydra.launcher._target_"))
    if target.endswith(_LOCAL):
        return lambda: choose_precision(threads)
    return lambda: _measure_in_job(launcher, [*overrides, f"sweep.job={MEASURE}", f"training.threads={threads}"])


def _measure_in_job(launcher: Launcher, overrides: Overrides) -> Choice:
    log.info("training.precision=auto: a first job measures which data type is fastest where the runs are trained")
    try:
        (done,) = launcher.launch([overrides], initial_job_idx=0)
        return Choice(*done.return_value)
    except Exception as error:  # whatever the launcher or the job raised
        raise RunError(
            f"the job that measures training.precision failed ({first_line(error)}); choose training.precision=float32 "
            "or mixed_bfloat16 yourself."
        ) from error


def report_retraining(folder: SweepFolder, planned: Sequence[PlannedRun]) -> None:
    """Say in one line how many runs an earlier version has finished, and this one trains again.

    Args:
        folder: The folder of the sweep.
        planned: The runs of the command.
    """
    jobs = folder.ledger.jobs()
    known, ended = {job.fingerprint for job in jobs}, {job.name for job in jobs if job.status in ENDED}
    again = sum(run.fingerprint not in known and run.name in ended for run in planned)
    if again and is_earlier(folder):
        log.warning(
            "%s of sweep %s %s; these stay listed, and are trained again",
            pluralize(again, "run"),
            folder.name,
            _EARLIER,
        )


def report_earlier_trials(folder: SweepFolder) -> None:
    """Say in one line how many trials of a search an earlier version has finished."""
    ended = sum(job.status in ENDED for job in folder.ledger.jobs())
    if ended and is_earlier(folder):
        log.warning("%s of search %s %s; their scores are kept", pluralize(ended, "trial"), folder.name, _EARLIER)


def is_earlier(folder: SweepFolder) -> bool:
    """Whether the sweep was begun by version 0.1.0, which did not record itself."""
    return "made_by" not in folder.read_metadata()
