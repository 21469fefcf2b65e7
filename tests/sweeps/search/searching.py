"""A search with an objective that costs nothing, run in this process or as a program that can be killed."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy.event
from sqlalchemy.engine import Engine

from gym.config.schema import SearchConfig
from gym.sweeps.ledger import FINISHED, PRUNED
from gym.sweeps.search.pruners import TrialPruner
from gym.sweeps.search.space import SearchSpace, read_space
from gym.sweeps.search.study import open_study, propose_trials, record_result

ROOT = Path(__file__).parent.parent.parent
EPOCHS = 4
FINITE = ["dropout=range(0,0.5,0.1)", "filters='2','4','8'", "kernel=range(3,8,2)"]
INFINITE = ["rate=tag(log,interval(1e-4,1e-1))", *FINITE]


class Search(NamedTuple):
    """Settings of a search."""

    url: str
    sampler: str = "tpe"
    pruner: str = "none"
    objectives: tuple[str, ...] = ("iou",)
    batch: int = 1
    total: int = 8

    @property
    def settings(self) -> SearchConfig:
        """Settings with few random trials and early pruning, so that most trials depend on earlier ones."""
        return SearchConfig(
            sampler=self.sampler, pruner=self.pruner, objective=list(self.objectives), startup=2, warmup=1, seed=1
        )

    @property
    def space(self) -> SearchSpace:
        """The search space; that of a grid is finite."""
        return read_space(FINITE if self.sampler == "grid" else INFINITE)

    def study(self) -> Any:
        """Create or open the study."""
        return open_study(self.url, "probe", self.space, self.settings, EPOCHS)

    def rows(self) -> list[Any]:
        """Return what the study contains: number, parameters, state, values and intermediate values of each trial."""
        trials = self.study().get_trials(deepcopy=False)
        return [(one.number, one.params, one.state.name, one.values, one.intermediate_values) for one in trials]


def scores_of(params: dict[str, Any]) -> dict[str, float]:
    """Return the scores of a trial, best at rate 0.01 and dropout 0.2; more filters are better but cost more."""
    away = 0.3 * abs(math.log10(params.get("rate", 0.01)) + 2) + abs(params["dropout"] - 0.2)
    return {
        "iou": 0.9 - 0.2 * away - 0.3 / int(params["filters"]) - 0.01 * params["kernel"],
        "parameters": 1000.0 * int(params["filters"]) ** 2 * params["kernel"],
    }


def train(search: Search, trial: Any) -> tuple[str, dict[str, float]]:
    """Run the epochs of a trial as a worker does, and return how it ended and its scores."""
    scores = scores_of(trial.params)
    if search.pruner != "none":
        pruner = TrialPruner(search.url, "probe", trial.number, search.settings, EPOCHS)
        for epoch in range(1, EPOCHS + 1):
            if pruner.should_prune(epoch, scores["iou"] * (1 - math.exp(-epoch / 3))):
                return PRUNED, {}
    if trial.number % 5 == 3:
        scores.pop(search.objectives[-1])  # as if the score were undefined
    return FINISHED, scores


def run_to_end(search: Search) -> None:
    """Run a search, or resume it."""
    study = search.study()
    while batch := propose_trials(study, search.space, search.total, search.batch):
        made = [(trial, *train(search, trial)) for trial in batch]
        for trial, event, scores in made:
            record_result(study, trial, event, scores)


@contextmanager
def unsynced_writes() -> Iterator[None]:
    """Let SQLite skip syncing to disk; only a power failure could tell the difference."""

    def skip_sync(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    sqlalchemy.event.listen(Engine, "connect", skip_sync)
    try:
        yield
    finally:
        sqlalchemy.event.remove(Engine, "connect", skip_sync)


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with unsynced_writes():
        run_to_end(Search(*sys.argv[1:4]))
