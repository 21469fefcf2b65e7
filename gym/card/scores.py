"""The scores of a run with their intervals, of what training counts at its end: those that `gym.evaluate` finds."""

from collections.abc import Sequence

import numpy as np

from gym import metrics
from gym.card.facts import Confusion, SideScores, WorstImage
from gym.config import EvaluateConfig
from gym.evaluation.counts import Counts
from gym.evaluation.scores import class_scores, overall_scores, plain_scores, site_scores
from gym.reporting.evaluation import Evaluation

_OVERALL = ("iou", "dice", "precision", "recall", "overall_accuracy", "frequency_weighted_iou", "matthews_correlation")
_OF_A_CLASS = ("iou", "dice", "precision", "recall")
_OF_A_SITE = ("iou", "dice", "overall_accuracy", "kld")
_MOST_CONFUSIONS, _LEAST_SHARE = 3, 0.01


def score_side(side: str, evaluation: Evaluation, scenes: Sequence[str]) -> SideScores:
    """Score a side.

    Args:
        side: Its name.
        evaluation: What a model did on it.
        scenes: The scene of each image.
    """
    counts, classes, seed = counts_of(evaluation), evaluation.classes, EvaluateConfig().seed
    by_class = class_scores(scenes, counts, classes, seed, _OF_A_CLASS)
    by_site = site_scores(evaluation.sites, scenes, counts, classes, seed, _OF_A_SITE)
    return SideScores(
        side=side,
        images=len(scenes),
        scenes=len(set(scenes)),
        overall=plain_scores(overall_scores(scenes, counts, seed, (*_OVERALL, "kld"))),
        classes={name: plain_scores(scores) for name, scores in by_class.items()},
        sites={name: plain_scores(scores) for name, scores in by_site.items()},
    )


def counts_of(evaluation: Evaluation) -> Counts:
    """What has been counted, of all that could be: the rest is empty, so that no score can be taken of it."""
    nothing = np.zeros((len(evaluation.matrices), 0))
    known = {"matrix": evaluation.matrices, "kld_sum": evaluation.kld_sums}
    return Counts._make(known.get(name, nothing) for name in Counts._fields)


def describe_worst(evaluation: Evaluation, indices: Sequence[int]) -> list[WorstImage]:
    """The scores of some images; each has a counted pixel."""
    return [
        WorstImage(
            evaluation.names[index],
            evaluation.sites[index],
            float(metrics.mean_iou(evaluation.matrices[index])),
            float(metrics.overall_accuracy(evaluation.matrices[index])),
        )
        for index in indices
    ]


def find_confusions(matrix: np.ndarray, classes: Sequence[str]) -> list[Confusion]:
    """Which class is taken for which, by the share of its pixels: the three largest of at least one in a hundred."""
    shares = metrics.ratio(matrix, np.broadcast_to(matrix.sum(axis=1, keepdims=True), matrix.shape))
    found = [
        Confusion(classes[truth], classes[predicted], float(shares[truth, predicted]))
        for truth, predicted in np.ndindex(shares.shape)
        if truth != predicted and shares[truth, predicted] >= _LEAST_SHARE
    ]
    return sorted(found, key=lambda one: -one.share)[:_MOST_CONFUSIONS]
