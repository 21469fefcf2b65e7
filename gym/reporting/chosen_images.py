"""Which models and which images a figure of examples shows: chosen by rules that can be told, and not by eye."""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from gym import metrics
from gym.reporting.run_table import score_of
from gym.result import RunResult

_PAPERS = ("unet", "resunet")


class ChosenImage(NamedTuple):
    """A validation image, and the rule by which it is shown, as in 'the image of median mean IoU'."""

    name: str
    rule: str


def choose_models(results: Sequence[RunResult]) -> list[RunResult]:
    """The best UNet and the best Res-UNet by validation IoU; without either of them the best two others.

    These are of two architectures where there are two, and never the same model twice, as cce and kld give it.

    Returns:
        Two runs, in the order of the configuration; one where there is one, none where none has a mean IoU.
    """
    scored = [(iou, run) for run in results if (iou := score_of(run, "iou")) is not None]
    ranked = [run for _, run in sorted(scored, key=lambda pair: -pair[0])]
    best_of: dict[str, RunResult] = {}
    for run in ranked:
        best_of.setdefault(run.settings["model.name"], run)
    if set(_PAPERS) <= set(best_of):
        return [best_of[name] for name in _PAPERS]
    if len(best_of) > 1:
        return list(islice(best_of.values(), 2))
    distinct: dict[str, RunResult] = {}
    for run in ranked:
        distinct.setdefault(run.weights_sha256, run)
    return list(islice(distinct.values(), 2))


def choose_images(runs: Sequence[RunResult]) -> list[ChosenImage]:
    """The validation image of median mean IoU, and of two runs the one on which they differ most, of one its worst.

    Two runs differ by the share of pixels that they get right. Images that a run was not validated on, or that have no
    counted pixel, are left out; of equal ones the first is taken.

    Args:
        runs: One or two.

    Returns:
        Two images, one, or none.
    """
    places = [{name: place for place, name in enumerate(run.images)} for run in runs]
    names = [name for name in places[0] if all(name in of for of in places)]
    if not names:
        return []
    matrices = np.stack([run.matrices[[of[name] for name in names]] for run, of in zip(runs, places, strict=True)])
    ious, rights = metrics.mean_iou(matrices).mean(axis=0), metrics.overall_accuracy(matrices)
    known = np.flatnonzero(~np.isnan(ious))
    if not known.size:
        return []
    ranked = known[np.argsort(ious[known], kind="stable")]
    median = int(ranked[(len(ranked) - 1) // 2])
    rest = ranked[ranked != median]
    typical = "the image of median mean IoU" + (" (of the two on average)" if len(runs) > 1 else "")
    chosen = [ChosenImage(names[median], typical)]
    if rest.size and len(runs) > 1:
        apart = np.abs(rights[0] - rights[1])
        most = int(rest[apart[rest].argmax()])
        chosen.append(ChosenImage(names[most], "of the others that on which their shares of right pixels differ most"))
    elif rest.size:
        chosen.append(ChosenImage(names[int(rest[0])], "the image of lowest mean IoU"))
    return chosen
