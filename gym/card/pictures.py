"""The images that a model does worst on, in one picture: a row an image, worst on top.

It is put together pixel by pixel, since matplotlib takes ten times as long.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from gym.data.sides import ReadSample
from gym.files import replacing
from gym.reporting.evaluation import Evaluation
from gym.reporting.figures import rank_by_iou
from gym.reporting.imagery import show_errors

WORST = "worst.png"

_MOST = 5
_LONGEST, _SHORTEST = 256, 128  # sides of an image as it is drawn, in pixels
_GAP = 4


def find_worst(evaluation: Evaluation) -> list[int]:
    """Positions of the images of the lowest mean IoU, the lowest first; none where no image has one."""
    return rank_by_iou(evaluation)[:_MOST]


def draw_worst(evaluation: Evaluation, indices: Sequence[int], bands: Sequence[str], read: ReadSample) -> np.ndarray:
    """Set images below each other, each as image, truth, prediction and errors in white.

    Of a large image every second, third, ... pixel is drawn; the pixels of a small one are drawn larger.

    Args:
        evaluation: What a model did.
        indices: Positions in it of the images; one at least.
        bands: Band names.
        read: Gives image and label of a sample.

    Returns:
        ``(rows, columns, 3)`` uint8.
    """
    longest = max(evaluation.predicted.shape[1:])
    step, enlarged = -(-longest // _LONGEST), max(1, _SHORTEST // longest)
    rows = []
    for index in indices:
        image, truth = (np.asarray(part)[::step, ::step] for part in read(evaluation.samples[index]))
        predicted = evaluation.predicted[index][::step, ::step]
        panels = show_errors(image, truth, predicted, bands, evaluation.classes)
        rows.append(join([panel.repeat(enlarged, 0).repeat(enlarged, 1) for panel in panels], axis=1))
    return np.round(255 * join(rows, axis=0)).astype(np.uint8)


def join(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Set pictures beside or below each other, with white between."""
    margin = [(0, 0)] * 3
    margin[axis] = (0, _GAP)
    spaced = [np.pad(part, margin, constant_values=1.0) for part in parts[:-1]]
    return np.concatenate([*spaced, parts[-1]], axis=axis)


def write_worst(path: Path, picture: np.ndarray) -> None:
    """Write a picture as PNG, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    with replacing(path) as beside:
        imsave(beside, picture)
