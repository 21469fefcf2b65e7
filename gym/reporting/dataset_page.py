"""Report on a dataset: pictures, tables, and one HTML page that holds them all.

report/
    index.html              everything, in one file that needs no network
    *.png                   its pictures: pairs of each side, augmented examples, class balance, band histograms
    class_balance.csv       pixels of each class, by side and by site
    split.json              names of the pairs of each side

The pictures of a dataset: pairs of each side, augmented examples, class balance, band histograms.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gym.config.schema import SplitConfig
from gym.core.files import atomic_folder, write_json, write_text
from gym.core.seeding import generator
from gym.core.text import pluralize
from gym.data.class_colours import class_colours, overlay, render_rgb
from gym.data.dataset import Dataset, combine_statistics
from gym.data.near_duplicates import NearDuplicate
from gym.data.samples import ReadSample, count_classes_by_side, list_sample_names, pair_positions, sample_name
from gym.data.split import Split
from gym.reporting.style import class_legend, embed, literal, save, shorten

_ACROSS = 4
_BINS = 100
_PANEL = 1.75  # inches
_LONGEST_NAME = 44  # signs over two panels


class Shown(NamedTuple):
    """A pair to show: ``image`` ``(rows, columns, bands)`` and ``label`` ``(rows, columns)``."""

    name: str
    image: np.ndarray
    label: np.ndarray


def draw_pairs(shown: Sequence[Shown], bands: Sequence[str], classes: Sequence[str], title: str) -> Figure:
    """Each image beside its label laid over it, with a legend."""
    across = min(_ACROSS, len(shown))
    lines = -(-len(shown) // across)
    rows, columns = shown[0].label.shape
    height = _PANEL * rows / columns
    figure = Figure(figsize=(2 * across * _PANEL + 0.4, lines * (height + 0.28) + 0.9), layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(lines, 2 * across, squeeze=False).reshape(-1, 2)
    for axes in grid.ravel():
        axes.set_axis_off()
    for (left, right), one in zip(grid, shown, strict=False):
        picture = render_rgb(one.image, bands)
        left.imshow(picture, interpolation="nearest")
        right.imshow(overlay(picture, one.label, classes), interpolation="nearest")
        left.set_title(literal(shorten(one.name, _LONGEST_NAME)), fontsize=6.5, loc="left", pad=2)
    class_legend(figure, classes)
    return figure


def draw_class_balance(
    by_side: Mapping[str, np.ndarray], by_site: Mapping[str, np.ndarray], classes: Sequence[str]
) -> Figure:
    """Share of each class in the labelled pixels, of each side and of each site."""
    bars = {f"{side} side": counts for side, counts in by_side.items()} | dict(by_site)
    figure = Figure(figsize=(8, 0.34 * len(bars) + 1.5), layout="constrained")
    axes = figure.subplots()
    names, counts = list(bars), np.array(list(bars.values()), float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    left = np.zeros(len(bars))
    for share, colour in zip(shares.T, class_colours(classes), strict=True):
        axes.barh(names, share, left=left, color=colour, height=0.75)
        label_bars(axes, share, left)
        left += share
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of labelled pixels")
    axes.set_yticks(range(len(names)), [literal(name) for name in names])
    if by_site:
        axes.axhline(len(by_side) - 0.5, color="black", lw=0.8)
    class_legend(figure, classes)
    return figure


def label_bars(axes: Axes, shares: np.ndarray, left: np.ndarray) -> None:
    """Write a share into its bar where there is room."""
    for place, (share, start) in enumerate(zip(shares, left, strict=True)):
        if share >= 0.06:
            axes.text(start + share / 2, place, f"{share:.0%}", ha="center", va="center", fontsize=7, color="white")


def draw_histograms(values: Mapping[str, np.ndarray], bands: Sequence[str]) -> Figure:
    """How often each value of each band is, on each side.

    Args:
        values: By side, values of pixels with data, ``(pixels, bands)``.
        bands: Band names.
    """
    across = min(4, len(bands))
    lines = -(-len(bands) // across)
    figure = Figure(figsize=(2.9 * across, 2.2 * lines + 0.3), layout="constrained")
    grid = figure.subplots(lines, across, squeeze=False).ravel()
    for band, axes in enumerate(grid):
        if band >= len(bands):
            axes.set_axis_off()
            continue
        together = np.concatenate([side[:, band] for side in values.values()])
        low, high = np.percentile(together, [0.1, 99.9])
        edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
        for side, pixels in values.items():
            counts, _ = np.histogram(pixels[:, band], edges)
            axes.stairs(counts / max(1, len(pixels)), edges, label=side, lw=1.1)
        axes.set_title(literal(bands[band]), fontsize=9)
        axes.set_yticks([])
        axes.tick_params(labelsize=7)
    grid[0].legend(fontsize=7)
    return figure


_MOST_PAIRS = 12
_MOST_SAMPLED = 100  # images of a side in the histograms
_PIXELS_SAMPLED = 5_000  # of each of them


class Sides(NamedTuple):
    """The sides of a dataset: which samples, how they were found, and images of two of them that look alike.

    Where no split is possible all pairs are on the training side, and ``obstacle`` says why; else it is empty.
    """

    split: Split
    config: SplitConfig
    alike: Sequence[NearDuplicate]
    obstacle: str = ""


def write_report(
    folder: Path, dataset: Dataset, sides: Sides, read: ReadSample, examples: Sequence[int], is_kept: bool = True
) -> Path:
    """Write the report of a split dataset.

    Args:
        folder: Where to; replaced whole.
        dataset: The dataset.
        sides: Its sides.
        read: Gives image and label of a sample.
        examples: Samples that show the augmentation of the training side.
        is_kept: Whether the dataset stays, so that the report can name its folder.

    Returns:
        The page.
    """
    with atomic_folder(folder) as beside:
        write_pairs(beside, dataset, sides.split, read, examples)
        write_balance(beside, dataset, sides.split)
        save(draw_histograms(sample_pixels(dataset, sides.split), dataset.bands), beside / "histograms.png")
        write_json(beside / "split.json", list_sample_names(dataset, sides.split))
        write_text(beside / "index.html", render(dataset, sides, beside, is_kept))
    return folder / "index.html"


def write_pairs(folder: Path, dataset: Dataset, split: Split, read: ReadSample, examples: Sequence[int]) -> None:
    """Draw some pairs of each side, and examples of augmentation."""
    classes = dataset.manifest.classes
    for side, samples in split._asdict().items():
        if samples:
            shown = [show(dataset, sample, read) for sample in spread(samples, _MOST_PAIRS)]
            title = f"{side}: {len(shown)} of {len(samples)}"
            save(draw_pairs(shown, dataset.bands, classes, title), folder / f"pairs_{side}.png")
    shown = [show(dataset, sample, read) for sample in examples]
    save(draw_pairs(shown, dataset.bands, classes, "training, augmented"), folder / "pairs_training_augmented.png")


def show(dataset: Dataset, sample: int, read: ReadSample) -> Shown:
    """Read a sample to show it."""
    image, label = map(np.asarray, read(sample))
    return Shown(sample_name(dataset, sample), image, label)


def spread(samples: Sequence[int], most: int) -> list[int]:
    """Pick up to ``most`` of some samples, evenly."""
    picks = np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int)
    return [samples[pick] for pick in picks]


def site_counts(dataset: Dataset) -> dict[str, np.ndarray]:
    """Pixels of each class at each site, ``(classes,)`` int64, by name."""
    sites = np.array([record.site for record in dataset.manifest.pairs])
    return {str(site): dataset.counts[sites == site].sum(axis=0) for site in sorted(set(sites))}


def write_balance(folder: Path, dataset: Dataset, split: Split) -> None:
    """Write pixels and shares of each class, by side and by site, as a chart and as a CSV."""
    classes = dataset.manifest.classes
    by_side = {side: counts for side, counts in count_classes_by_side(dataset, split).items() if getattr(split, side)}
    by_site = site_counts(dataset)
    save(draw_class_balance(by_side, by_site if len(by_site) > 1 else {}, classes), folder / "class_balance.png")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("group", "name", "class", "pixels", "share"))
    for group, by_name in (("side", by_side), ("site", by_site)):
        for name, counts in by_name.items():
            total = max(1, int(counts.sum()))
            writer.writerows(
                (group, name, label, int(count), f"{count / total:.6f}")
                for label, count in zip(classes, counts, strict=True)
            )
    write_text(folder / "class_balance.csv", text.getvalue())


def sample_pixels(dataset: Dataset, split: Split) -> dict[str, np.ndarray]:
    """Values of some pixels with data of some images of each side, ``(pixels, bands)``, the same ones each time."""
    values = {}
    for side, samples in split._asdict().items():
        parts = []
        for position in spread(sorted(set(pair_positions(samples, len(dataset)))), _MOST_SAMPLED) if samples else []:
            image = dataset.unpadded_image(position)
            pixels = image[image.any(axis=2)]
            draw = generator(0, "histogram", position).integers(0, len(pixels), min(_PIXELS_SAMPLED, len(pixels)))
            parts.append(pixels[draw])
        if parts:
            values[side] = np.concatenate(parts)
    return values


def render(dataset: Dataset, sides: Sides, folder: Path, is_kept: bool) -> str:
    """Make the page, with the pictures of ``folder`` inside it."""
    template = Path(__file__).with_name("dataset.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    pairs = {path.stem.removeprefix("pairs_").replace("_", ", "): embed(path) for path in order_pictures(folder)}
    pictures = {"pairs": pairs, **{name: embed(folder / f"{name}.png") for name in ("class_balance", "histograms")}}
    return environment.from_string(template).render(
        title=f"Dataset: {dataset.manifest.source}",
        notes=list_notes(dataset, sides),
        facts=list_facts(dataset, sides, is_kept),
        sides=list_sides(dataset, sides.split),
        labels=list_labels(dataset),
        classes=list_classes(dataset),
        bands=list_bands(dataset),
        pictures=pictures,
        left_out=dataset.manifest.left_out,
        passed_over=dataset.manifest.passed_over,
        alike=sides.alike,
        likeness=sides.config.likeness,
    )


def order_pictures(folder: Path) -> list[Path]:
    """The pictures of pairs, training first."""
    return sorted(folder.glob("pairs_*.png"), key=lambda path: (not path.stem.startswith("pairs_training"), path.stem))


def list_notes(dataset: Dataset, sides: Sides) -> list[str]:
    """What a reader must not overlook."""
    notes = []
    if sides.obstacle:
        notes.append(f"No split is possible, so that all pairs are shown as training: {sides.obstacle}")
    elif sides.config.method == "paper":
        notes.append("This split leaks: validation sees copies of training scenes, as in the paper's program.")
    if absent := dataset.absent_classes:
        notes.append(f"Not one pixel is {' or '.join(absent)}: do the label values fit data.classes?")
    if dataset.manifest.left_out:
        notes.append(f"Files or scenes left out: {len(dataset.manifest.left_out)}; the reasons are below.")
    return notes


def list_facts(dataset: Dataset, sides: Sides, is_kept: bool) -> list[tuple[str, str]]:
    """What the dataset is, in words; where it is only if it is kept."""
    manifest, preparation = dataset.manifest, dataset.manifest.preparation
    shrunk = sum(record.placement.window[2:] != record.placement.size for record in manifest.pairs)
    placed = sum(bool(record.grid) for record in manifest.pairs)
    rows, columns = preparation.frame
    return [
        *([("dataset", str(dataset.folder))] if is_kept else []),
        ("fingerprint", manifest.fingerprint),
        ("pairs", f"{len(dataset)} of {pluralize(len({record.scene for record in manifest.pairs}), 'scene')}"),
        ("frame", f"{rows} x {columns} pixels, framing {preparation.framing}; {shrunk} of {len(dataset)} resampled"),
        ("bands", ", ".join(preparation.bands)),
        ("values", f"{np.dtype(manifest.dtype).name}, scaling {preparation.scaling.method}"),
        ("georeferenced", f"{placed} of {len(dataset)}"),
        ("split", "none" if sides.obstacle else word_split(sides.config)),
    ]


def word_split(config: SplitConfig) -> str:
    """How the sides were found, with the settings that its method heeds."""
    drawn = f"{config.validation:g} of the scenes validate, seed {config.seed}"
    words = {
        "random": f"random by {config.by}; {config.validation:g} validate, {config.test:g} test, seed {config.seed}",
        "kfold": f"fold {config.fold} of {config.folds} validates, from 0, by {config.by}; "
        f"{config.test:g} test, seed {config.seed}",
        "leave_one_out": f"the {config.by} {config.held_out} tests; of the others {drawn}",
        "given": f"as {config.sides} says",
        "paper": f"the paper's order of copies; {config.validation:g} of them validate",
    }
    kept = f"; {config.training_share:g} of the training side is used" if config.training_share < 1 else ""
    return words[config.method] + kept


def list_sides(dataset: Dataset, split: Split) -> list[dict[str, Any]]:
    """Pairs, scenes and sites of each side."""
    sides = []
    for side, samples in split._asdict().items():
        records = [dataset.manifest.pairs[position] for position in pair_positions(samples, len(dataset))]
        scenes, sites = ({getattr(record, kind) for record in records} for kind in ("scene", "site"))
        sides.append({"name": side, "pairs": len(samples), "scenes": len(scenes), "sites": sorted(sites)})
    return sides


def list_labels(dataset: Dataset) -> list[dict[str, Any]]:
    """What stood in the label files, and what became of it, most pixels first."""
    rows = [
        {"name": name, "class": became or "counts nowhere", "pixels": pixels}
        for name, classes in dataset.manifest.label_counts.items()
        for became, pixels in classes.items()
    ]
    return sorted(rows, key=lambda row: -row["pixels"])


def list_classes(dataset: Dataset) -> list[dict[str, Any]]:
    """Pixels and share of each class."""
    counts = dataset.counts.sum(axis=0)
    total = max(1, int(counts.sum()))
    pairs = zip(dataset.manifest.classes, counts.tolist(), strict=True)
    return [{"name": name, "pixels": count, "share": count / total} for name, count in pairs]


def list_bands(dataset: Dataset) -> list[dict[str, Any]]:
    """Least, mean, deviation and largest value of each band."""
    statistics = [record.statistics for record in dataset.manifest.pairs]
    mean, deviation = combine_statistics(statistics)
    least, largest = (np.array([getattr(one, name) for one in statistics]) for name in ("least", "largest"))
    columns: Mapping[str, Sequence[Any]] = {
        "name": dataset.bands,
        "least": least.min(axis=0),
        "mean": mean,
        "deviation": deviation,
        "largest": largest.max(axis=0),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
