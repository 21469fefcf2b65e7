"""Whether a model is as sure as it is right: reliability, expected calibration error, temperature scaling.

The confidence of a pixel is the score of the class it is given. A model is calibrated where, of the pixels with a
confidence of 0.8, a share of 0.8 is right.

Source: Guo et al. 2017, arXiv:1706.04599.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from gym.data.labels import IGNORE
from gym.evaluation.confusion import MIN_PROBABILITY, ratio

BINS = 15
TEMPERATURES = (0.05, 20.0)  # the range that is searched


def count_reliability(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Count pixels by confidence, to be added up over images.

    Args:
        truth: Class indices ``(...)``; `IGNORE` counts nowhere.
        scores: ``(..., classes)``, summing to one.

    Returns:
        ``(BINS, 3)`` float64: pixels, the sum of their confidences, and how many are right.
    """
    counted = truth != IGNORE
    rows = scores[counted].astype(np.float64)
    confidence = rows.max(axis=1)
    right = rows.argmax(axis=1) == truth[counted]
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    parts = (None, confidence, right)
    return np.stack([np.bincount(places, weights=part, minlength=BINS) for part in parts], axis=1).astype(np.float64)


def expected_calibration_error(counts: np.ndarray) -> np.ndarray:
    """Mean distance of confidence and share of right pixels over the bins, each weighed by its pixels.

    Args:
        counts: ``(..., BINS, 3)`` as `reliability` counts.

    Returns:
        ``(...)`` in [0, 1]; NaN where no pixel counts.
    """
    apart = np.abs(counts[..., 1] - counts[..., 2]).sum(axis=-1)
    return ratio(apart, counts[..., 0].sum(axis=-1))


def apply_temperature(scores: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of scores ``(..., classes)`` by a temperature: above 1 less sure, below 1 surer.

    The most likely class stays the same.
    """
    logits = np.log(np.maximum(scores.astype(np.float64), MIN_PROBABILITY)) / temperature
    logits -= logits.max(axis=-1, keepdims=True)
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def fit_temperature(truth: np.ndarray, scores: np.ndarray) -> float:
    """The temperature that gives the true classes the highest likelihood; NaN where no pixel counts.

    Args:
        truth: Class indices ``(...)``; `IGNORE` counts nowhere.
        scores: ``(..., classes)``, summing to one.
    """
    counted = truth != IGNORE
    if not counted.any():
        return float("nan")
    logits = np.log(np.maximum(scores[counted], MIN_PROBABILITY)).astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)  # the sum of powers is then 1 at least, whatever the temperature
    right = np.take_along_axis(logits, truth[counted][:, None].astype(int), axis=1)[:, 0].astype(np.float64).mean()

    def surprise(log_temperature: float) -> float:
        beta = np.float32(np.exp(-log_temperature))
        return float(np.log(np.exp(beta * logits).sum(axis=1, dtype=np.float64)).mean() - beta * right)

    found = minimize_scalar(surprise, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def is_at_limit(temperature: float) -> bool:
    """Whether a temperature is an end of the range that `fit_temperature` searches, so that the best lies beyond it."""
    return bool(np.isclose(temperature, TEMPERATURES, rtol=0.01).any())
