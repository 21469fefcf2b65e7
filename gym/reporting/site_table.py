"""How a run does at each site and in each class, as section 3.3 of the paper tells it: Dice, and of how many scenes."""

from collections.abc import Mapping, Sequence

import numpy as np

from gym import metrics
from gym.reporting.run_table import score_of
from gym.reporting.shown_table import ShownTable
from gym.result import RunResult

_SCORE = "site_dice/"
_ALL = "all sites"


def site_table(run: RunResult, sites: Mapping[str, str]) -> ShownTable:
    """Mean Dice and the Dice of each class at each site, with the number of scenes; of several sites all below them.

    Where the site of an image is not known there are the mean Dice alone, which the run has logged.

    Args:
        run: A run.
        sites: The site of each validation image, by name.
    """
    if not run.images or not set(run.images) <= set(sites):
        logged = {name.removeprefix(_SCORE): score_of(run, name) for name in run.scores if name.startswith(_SCORE)}
        rows = {site: [dice] for site, dice in sorted(logged.items())}
        return make_table(["site", "mean Dice"], rows | ({_ALL: [score_of(run, "dice")]} if len(rows) != 1 else {}))
    places, scenes = np.array([sites[image] for image in run.images]), np.array(run.scenes)
    parts = {str(site): places == site for site in sorted(set(places))}
    parts |= {_ALL: np.ones(len(places), bool)} if len(parts) > 1 else {}
    return make_table(
        ["site", "scenes", "mean Dice", *(f"Dice {name}" for name in run.classes)],
        {site: [len(set(scenes[part])), *dice_scores(run.matrices[part])] for site, part in parts.items()},
    )


def dice_scores(matrices: np.ndarray) -> list[float | None]:
    """Mean Dice and the Dice of each class of some images together; None for a class that is not there."""
    whole = matrices.sum(axis=0)
    values = [metrics.mean_dice(whole), *metrics.class_dice(whole)]
    return [None if np.isnan(value) else float(value) for value in values]


def make_table(titles: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> ShownTable:
    """Lay out rows of numbers, each behind its name."""
    return ShownTable(
        [{"title": title, "is_number": place > 0} for place, title in enumerate(titles)],
        [
            {"cells": [{"shown": name, "value": name}, *map(show_number, values)], "marks": []}
            for name, values in rows.items()
        ],
    )


def show_number(value: float | None) -> dict[str, str]:
    """A number as it is read, and what to sort it by."""
    if value is None:
        return {"shown": "-", "value": ""}
    return {"shown": str(value) if isinstance(value, int) else f"{value:.3f}", "value": repr(value)}
