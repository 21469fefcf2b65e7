"""Estimate the optimism of the best model's score, which is partly luck when the model was chosen for it.

Each bootstrap draw repeats the choice: it selects the model with
the highest score on the drawn units, and scores it on the units that were not drawn, which had no part in the
selection. The mean of these scores is what the selection achieves on new units, and the optimism is the score of the
best model minus that mean. The expected mean IoU of a few units differs from that of many, even without a selection, so
the scores of each model on the units not drawn are first shifted to have its score on all units as their mean.

Source: BBC-CV of Tsamardinos et al. 2018, doi:10.1007/s10994-018-5714-4; the shift is ours. The plug-in of Efron &
Tibshirani 1993, chapter 17, scores the selected model on all units instead, which include the drawn ones, and misses up
to half of the optimism; scores on the drawn units minus those on the others, as in Tibshirani & Tibshirani 2009,
doi:10.1214/08-AOAS224, would count the luck of the draw on top of that of the sample (scripts/selection_optimism.py).
"""

from collections.abc import Iterable

import numpy as np

from gym.config.registries import SCORES
from gym.evaluation.bootstrap import resample
from gym.evaluation.confusion import score_matrix


def estimate_optimism(times: np.ndarray, models: Iterable[np.ndarray]) -> float:
    """Estimate the optimism of the highest score that ranks runs, such as mean IoU.

    Args:
        times: How often each draw contains each unit, ``(draws, units)``, from `gym.evaluation.bootstrap.draw_units`.
        models: The confusion matrices of each model on the same units, ``(units, classes, classes)`` each.

    Returns:
        In the unit of the score, at least 0; 0 for a single model and for models with equal matrices. NaN if no draw
        leaves out units with labelled pixels, as with a single unit.
    """
    entry, left_out = SCORES.get(SCORES.default), (times == 0).astype(float)
    scores, drawn, others = [], [], []
    for matrices in models:
        scores.append(score_matrix(entry, matrices.sum(axis=0)))
        drawn.append(score_matrix(entry, resample(times, matrices)))
        others.append(score_matrix(entry, resample(left_out, matrices)))
    return compute_optimism(np.array(scores), np.array(drawn), np.array(others))


def compute_optimism(scores: np.ndarray, drawn: np.ndarray, others: np.ndarray) -> float:
    """Compute the optimism of the highest score from the scores of bootstrap draws.

    Args:
        scores: The score of each model on all units, ``(models,)``; a higher score is better.
        drawn: Its scores on the units of each draw, ``(models, draws)``; NaN where undefined.
        others: Its scores on the units that are not in the draw, ``(models, draws)``; NaN where undefined.

    Returns:
        As `estimate_optimism`. Models that share the highest score of a draw share its selection.
    """
    defined = ~np.isnan(drawn).any(axis=0) & ~np.isnan(others).any(axis=0)
    if not defined.any():
        return float("nan")
    drawn, others = drawn[:, defined], others[:, defined]
    selected = drawn == drawn.max(axis=0)
    shifted = others + (scores - others.mean(axis=1))[:, None]
    expected = np.where(selected, shifted, 0).sum(axis=0) / selected.sum(axis=0)
    # A maximum cannot be pessimistic; an estimate below 0 is an error of the bootstrap.
    return max(0.0, float(scores.max() - expected.mean()))
