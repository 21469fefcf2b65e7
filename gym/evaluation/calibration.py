"""Calibration: reliability diagrams, expected calibration error and temperature scaling.

The confidence of a pixel is the probability of its predicted class. A model is calibrated if, for example, 80 % of the
pixels with a confidence of 0.8 are classified correctly.

Source: Guo et al. 2017, arXiv:1706.04599.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from gym.data.labels import IGNORE
from gym.evaluation.confusion import MIN_PROBABILITY, ratio

BINS = 15
TEMPERATURES = (0.05, 20.0)  # search range


def count_reliability(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Count pixels by confidence; the counts of several images can be added.

    Args:
        truth: Class indices ``(...)``; pixels labelled `IGNORE` are not counted.
        probabilities: ``(..., classes)``, summing to one.

    Returns:
        ``(BINS, 3)`` float64: number of pixels, sum of their confidences, number of correct pixels.
    """
    counted = truth != IGNORE
    rows = probabilities[counted].astype(np.float64)
    confidence = rows.max(axis=1)
    correct = rows.argmax(axis=1) == truth[counted]
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    columns = [np.bincount(bins, weights, minlength=BINS) for weights in (None, confidence, correct)]
    return np.stack(columns, axis=1).astype(np.float64)


def expected_calibration_error(counts: np.ndarray) -> np.ndarray:
    """Average the gap between confidence and accuracy over the bins, weighted by their number of pixels.

    Args:
        counts: ``(..., BINS, 3)``, from `count_reliability`.

    Returns:
        ``(...)`` in [0, 1]; NaN if no pixel is counted.
    """
    gaps = np.abs(counts[..., 1] - counts[..., 2]).sum(axis=-1)
    return ratio(gaps, counts[..., 0].sum(axis=-1))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of probabilities ``(..., classes)`` by a temperature.

    A temperature above 1 lowers the confidence, one below 1 raises it. The predicted class stays the same.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), MIN_PROBABILITY)) / temperature
    logits -= logits.max(axis=-1, keepdims=True)
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def fit_temperature(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Find the temperature with the highest likelihood of the true classes; NaN if no pixel is counted.

    Args:
        truth: Class indices ``(...)``; pixels labelled `IGNORE` are not counted.
        probabilities: ``(..., classes)``, summing to one.
    """
    counted = truth != IGNORE
    if not counted.any():
        return float("nan")
    logits = np.log(np.maximum(probabilities[counted], MIN_PROBABILITY)).astype(np.float32)
    logits -= logits.max(axis=1, keepdims=True)  # keeps the sum of exponentials at 1 or above at every temperature
    true_logit = np.take_along_axis(logits, truth[counted][:, None].astype(int), axis=1)[:, 0].astype(np.float64).mean()

    def mean_negative_log_likelihood(log_temperature: float) -> float:
        beta = np.float32(np.exp(-log_temperature))
        return float(np.log(np.exp(beta * logits).sum(axis=1, dtype=np.float64)).mean() - beta * true_logit)

    found = minimize_scalar(
        mean_negative_log_likelihood, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(found.x))


def is_at_limit(temperature: float) -> bool:
    """Whether a temperature lies at a bound of the search range, so that the best one is probably beyond it."""
    return bool(np.isclose(temperature, TEMPERATURES, rtol=0.01).any())
