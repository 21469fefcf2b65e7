"""A search by an objective that costs nothing, in this process or as a program that can be killed."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy.event
from sqlalchemy.engine import Engine

from gym.sweeps.ledger import FINISHED, PRUNED
from gym.sweeps.search.pruners import EpochPruner, Pruning
from gym.sweeps.search.samplers import Sampling
from gym.sweeps.search.space import SearchSpace, read_space
from gym.sweeps.search.study import next_trials, open_study, tell

ROOT = Path(__file__).parent.parent.parent
EPOCHS = 4
FINITE = ["dropout=range(0,0.5,0.1)", "filters='2','4','8'", "kernel=range(3,8,2)"]
ENDLESS = ["rate=tag(log,interval(1e-4,1e-1))", *FINITE]


class Search(NamedTuple):
    """All that a search is made of."""

    url: str
    sampler: str = "tpe"
    pruner: str = "none"
    objectives: tuple[str, ...] = ("iou",)
    at_once: int = 1
    total: int = 8

    @property
    def sampling(self) -> Sampling:
        """Few random trials, so that most are proposed by what came before."""
        return Sampling(self.sampler, startup=3, seed=1)

    @property
    def pruning(self) -> Pruning:
        """Prunes early, so that much is pruned."""
        return Pruning(self.pruner, startup=2, warmup=1, epochs=EPOCHS)

    @property
    def space(self) -> SearchSpace:
        """What the trials choose; a grid has an end."""
        return read_space(FINITE if self.sampler == "grid" else ENDLESS)

    def study(self) -> Any:
        """The study, opened."""
        return open_study(self.url, "probe", self.objectives, self.space, self.sampling, self.pruning)

    def rows(self) -> list[Any]:
        """What the study holds: number, parameters, how it ended, and the values of its epochs."""
        trials = self.study().get_trials(deepcopy=False)
        return [(one.number, one.params, one.state.name, one.values, one.intermediate_values) for one in trials]


def scores_of(params: dict[str, Any]) -> dict[str, float]:
    """A landscape with one summit, at rate 0.01 and dropout 0.2; more filters are better and dearer."""
    away = 0.3 * abs(math.log10(params.get("rate", 0.01)) + 2) + abs(params["dropout"] - 0.2)
    return {
        "iou": 0.9 - 0.2 * away - 0.3 / int(params["filters"]) - 0.01 * params["kernel"],
        "parameters": 1000.0 * int(params["filters"]) ** 2 * params["kernel"],
    }


def train(search: Search, trial: Any) -> tuple[str, dict[str, float]]:
    """Run the epochs of a trial as a worker does; what came of it, and its scores."""
    scores = scores_of(trial.params)
    if search.pruner != "none":
        pruner = EpochPruner(search.url, "probe", trial.number, search.pruning)
        for epoch in range(1, EPOCHS + 1):
            if pruner.report(epoch, scores["iou"] * (1 - math.exp(-epoch / 3))):
                return PRUNED, {}
    if trial.number % 5 == 3:
        scores.pop(search.objectives[-1])  # as of a run whose score is undefined
    return FINISHED, scores


def carry_on(search: Search) -> None:
    """Search until nothing is left to do."""
    study = search.study()
    while batch := next_trials(study, search.space, search.total, search.at_once):
        made = [(trial, *train(search, trial)) for trial in batch]
        for trial, event, scores in made:
            tell(study, trial, event, scores)


@contextmanager
def hurried() -> Iterator[None]:
    """Leave it to the system when SQLite's writes reach the disk: only a power cut could tell."""

    def hurry(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    sqlalchemy.event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        sqlalchemy.event.remove(Engine, "connect", hurry)


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    with hurried():
        carry_on(Search(*sys.argv[1:4]))
