"""The picture of failures: the images with the lowest IoU, one per row, with truth, prediction and errors.

It is composed pixel by pixel, because matplotlib takes ten times as long.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from gym.core.files import atomic_file
from gym.data.class_colours import render_errors
from gym.data.samples import ReadSample
from gym.evaluation.run_model import Evaluation
from gym.reporting.contact_sheet import rank_by_iou

WORST = "worst.png"
_MOST = 5
_LONGEST, _SHORTEST = 256, 128  # sides of an image in the picture, in pixels
_GAP = 4


def find_worst(evaluation: Evaluation) -> list[int]:
    """Return the positions of up to five images, the one with the lowest mean IoU first."""
    return rank_by_iou(evaluation)[:_MOST]


def draw_worst(evaluation: Evaluation, indices: Sequence[int], bands: Sequence[str], read: ReadSample) -> np.ndarray:
    """Draw images below each other, each as image, truth, prediction and errors in white.

    Large images are drawn at every second, third, ... pixel; the pixels of small images are enlarged.

    Args:
        evaluation: The predictions of a model.
        indices: Positions of the images in the evaluation, at least one.
        bands: Band names.
        read: Returns image and label of a sample.

    Returns:
        The picture, ``(rows, columns, 3)`` uint8.
    """
    longest = max(evaluation.predicted.shape[1:])
    step, scale = -(-longest // _LONGEST), max(1, _SHORTEST // longest)
    rows = []
    for index in indices:
        image, truth = (np.asarray(part)[::step, ::step] for part in read(evaluation.samples[index]))
        predicted = evaluation.predicted[index][::step, ::step]
        panels = render_errors(image, truth, predicted, bands, evaluation.classes)
        rows.append(_concatenate([panel.repeat(scale, 0).repeat(scale, 1) for panel in panels], axis=1))
    return np.round(255 * _concatenate(rows, axis=0)).astype(np.uint8)


def _concatenate(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Concatenate pictures with a white gap between them."""
    margin = [(0, 0)] * 3
    margin[axis] = (0, _GAP)
    spaced = [np.pad(part, margin, constant_values=1.0) for part in parts[:-1]]
    return np.concatenate([*spaced, parts[-1]], axis=axis)


def write_worst(path: Path, picture: np.ndarray) -> None:
    """Write a picture as PNG.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_file(path) as temporary:
        imsave(temporary, picture)
