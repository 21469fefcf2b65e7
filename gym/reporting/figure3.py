"""The paper's Figure 3: scenes, their labels and what models make of them, with the part where they differ enlarged.

Images are ``(rows, columns, bands)``, labels and outputs ``(rows, columns)`` class indices.

Which models and which images a figure of examples shows: chosen by rules that can be told, and not by eye.

The images that Figure 3 shows, read from their dataset, with what trained models make of them.
"""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import keras
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gym.config.registries import ARCHITECTURES, SCORES
from gym.config.schema import AugmentConfig
from gym.core.errors import DataError
from gym.core.text import format_score
from gym.data.batches import SampleReader
from gym.data.class_colours import overlay, render_rgb
from gym.data.dataset import Dataset
from gym.data.samples import find_samples
from gym.evaluation import confusion
from gym.reporting.run_table import score_of
from gym.reporting.style import PAGE_WIDTH, SMALLEST_FONT, add_class_legend, plot_text
from gym.runs.result import RunResult


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
    scored = [(iou, run) for run in results if (iou := score_of(run, SCORES.default)) is not None]
    ranked = [run for _, run in sorted(scored, key=lambda pair: -pair[0])]
    best_of: dict[str, RunResult] = {}
    for run in ranked:
        best_of.setdefault(run.settings["model.name"], run)
    papers = [entry.name for entry in ARCHITECTURES if entry.in_paper]
    if set(papers) <= set(best_of):
        return [best_of[name] for name in papers]
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
    ious, rights = confusion.mean_iou(matrices).mean(axis=0), confusion.overall_accuracy(matrices)
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


ZOOM = 3
_FONT = 7.5
_TALLEST = 9.2  # inches: what a page holds above a caption
_AROUND = 0.24  # inches of a line for what is written above or below its panels
_LONGEST_TITLE = _LONGEST_NAME = 24  # signs
_TITLE_WIDTH = 1.5  # inches that they take
_EDGES = ((1.8, "white"), (0.9, "black"))  # of a box, so that it shows on any ground


class Example(NamedTuple):
    """One scene to show: its name, image and label, and the output of each model."""

    name: str
    image: np.ndarray
    label: np.ndarray
    outputs: list[np.ndarray]


def draw_figure3(
    examples: Sequence[Example], models: Sequence[tuple[str, str]], bands: Sequence[str], classes: Sequence[str]
) -> Figure:
    """Image, label and outputs of each scene in a line, and below it the same of a part, enlarged `ZOOM` times.

    The part is where the outputs differ most; where they do not, or of one model, where they miss the label most. What
    counts nowhere has no colour.

    Args:
        examples: The scenes, one at least, all of one size.
        models: What each model is, in two short lines.
        bands: Band names.
        classes: Class names.
    """
    rows, columns = examples[0].label.shape
    across, lines = 2 + len(models), 2 * len(examples)
    room = (_TALLEST - 0.7) / lines - _AROUND  # for the height of a panel
    panel = min(PAGE_WIDTH / across - 0.12, room * columns / rows)
    width = min(PAGE_WIDTH, across * max(panel + 0.12, _TITLE_WIDTH))
    height = lines * (panel * rows / columns + _AROUND) + 0.7
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(lines, across, squeeze=False)
    for pair, example in zip(grid.reshape(-1, 2, across), examples, strict=True):
        draw_example(pair, example, bands, classes)
    titles = [("image", ""), ("label", ""), *models]
    for axes, letter, (title, words) in zip(grid[0], "abcdef", titles, strict=False):
        lines_above = [f"({letter}) {fit(title, _LONGEST_TITLE - 4)}", fit(words, _LONGEST_TITLE)]
        axes.set_title("\n".join(line for line in lines_above if line), fontsize=_FONT)
    add_class_legend(figure, classes, _FONT)
    return figure


def draw_example(pair: np.ndarray, example: Example, bands: Sequence[str], classes: Sequence[str]) -> None:
    """Fill the two lines of a scene, ``(2, panels)``: the whole, and below it the part."""
    counted = example.label < len(classes)
    picture = render_rgb(example.image, bands)
    shown = [
        picture,
        *(
            overlay(picture, np.where(counted, values, example.label), classes)
            for values in (example.label, *example.outputs)
        ),
    ]
    part = find_part(example, counted)
    for (whole, enlarged), values in zip(pair.T, shown, strict=True):
        clear(whole).imshow(values, interpolation="nearest")
        clear(enlarged).imshow(values[part], interpolation="nearest")
        frame_part(whole, part)
    for axes, output in zip(pair[0, 2:], example.outputs, strict=True):
        iou = confusion.mean_iou(confusion.confusion_matrix(example.label, output, len(classes)))
        axes.set_xlabel(f"mean IoU {format_score(iou)}", fontsize=SMALLEST_FONT)
    pair[0, 0].set_xlabel(fit(example.name, _LONGEST_NAME), fontsize=SMALLEST_FONT)
    pair[1, 0].set_xlabel(f"the box, {ZOOM} times", fontsize=SMALLEST_FONT)


def fit(text: str, longest: int) -> str:
    """A text that fits beside or above a panel, without mathematics."""
    return plot_text(text, longest)


def clear(axes: Axes) -> Axes:
    """A panel without ticks."""
    axes.set(xticks=[], yticks=[])
    return axes


def frame_part(axes: Axes, part: tuple[slice, slice]) -> None:
    """Draw a box around a part of an image."""
    down, right = part
    for width, colour in _EDGES:
        corner = right.start - 0.5, down.start - 0.5
        box = Rectangle(corner, right.stop - right.start, down.stop - down.start, fill=False, ec=colour, lw=width)
        axes.add_patch(box)


def find_part(example: Example, counted: np.ndarray) -> tuple[slice, slice]:
    """The part of a scene to enlarge, a third of its rows and columns; ``counted`` says which pixels count."""
    differ = np.zeros_like(counted)
    for output in example.outputs[1:]:
        differ |= output != example.outputs[0]
    wrong = np.zeros_like(counted)
    for output in example.outputs:
        wrong |= output != example.label
    rows, columns = (max(1, round(side / ZOOM)) for side in counted.shape)
    top, left = place_window([differ & counted, wrong & counted], (rows, columns))
    return slice(top, top + rows), slice(left, left + columns)


def place_window(maps: Sequence[np.ndarray], size: tuple[int, int]) -> tuple[int, int]:
    """Find the window that holds most of what is marked.

    Args:
        maps: Boolean ``(rows, columns)``; the first with a mark is taken.
        size: Rows and columns of the window, at most those of the maps.

    Returns:
        Row and column of its upper left corner: of equal windows the middle one, without any mark that of the map.
    """
    marked = next((marks for marks in maps if marks.any()), np.ones_like(maps[0]))
    sums = np.pad(marked.astype(np.int64).cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    down, right = size
    held = sums[down:, right:] - sums[:-down, right:] - sums[down:, :-right] + sums[:-down, :-right]
    best = np.argwhere(held == held.max())
    middle = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(middle[0]), int(middle[1])


class Examples(NamedTuple):
    """All that Figure 3 shows.

    Attributes:
        images: With the output of each model.
        models: What each model is, in two short lines.
        labels: The run of each model, as it is called among all runs.
        rules: By which each image was chosen.
        bands: Band names.
        classes: Class names.
    """

    images: list[Example]
    models: list[tuple[str, str]]
    labels: list[str]
    rules: list[str]
    bands: list[str]
    classes: list[str]


def draw_examples(examples: Examples | str) -> dict[str, Figure]:
    """Figure 3 by its name; none where there is only a reason why there is nothing to show."""
    if isinstance(examples, str):
        return {}
    return {"figure3": draw_figure3(examples.images, examples.models, examples.bands, examples.classes)}


def read_images(dataset: Dataset, chosen: Sequence[ChosenImage], augment: AugmentConfig, seed: int) -> list[Example]:
    """Read image and label of some images, as the models see them; there are no outputs yet.

    Args:
        dataset: The dataset.
        chosen: Pairs, or copies of pairs.
        augment: What copies go through.
        seed: Of the copies.

    Raises:
        DataError: The dataset does not have one of them.
    """
    samples, read = find_samples(dataset, [one.name for one in chosen]), SampleReader(dataset, augment, seed)
    for one in chosen:
        if one.name not in samples:
            raise DataError(f"{dataset.folder} has no image {one.name}, on which the models were validated.")
    pairs = [read(samples[one.name]) for one in chosen]
    return [
        Example(one.name, np.asarray(image), np.asarray(label), [])
        for one, (image, label) in zip(chosen, pairs, strict=True)
    ]


def segment_images(examples: Sequence[Example], network: keras.Model) -> list[Example]:
    """Add the output of a model to each image."""
    segmented = []
    for example in examples:
        scores = keras.ops.convert_to_numpy(network.predict_on_batch(example.image[np.newaxis]))[0]
        output = scores.argmax(axis=-1).astype(np.uint8)
        segmented.append(example._replace(outputs=[*example.outputs, output]))
    return segmented
