"""The report on a dataset: pictures, tables, and a page that holds them all.

report/
    index.html              the page, one file that needs no network
    pairs_*.png             pairs of each side, and examples of augmentation
    class_balance.png       share of each class, by side and by site
    class_balance.csv       pixels of each class, by side and by site
    histograms.png          values of each band
    split.json              names of the pairs of each side
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gym.config.schema import SplitConfig
from gym.core.files import atomic_folder, write_json, write_text
from gym.core.seeding import generator
from gym.core.text import pluralize
from gym.data.dataset import Dataset, combine_statistics
from gym.data.near_duplicates import NearDuplicate
from gym.data.samples import ReadSample, count_classes_by_side, list_sample_names, pair_positions, sample_name
from gym.data.split import Split
from gym.reporting.contact_sheet import pick_evenly
from gym.reporting.dataset_figures import PairPicture, draw_class_balance, draw_histograms, draw_pairs
from gym.reporting.page_tables import PageTable, build_table
from gym.reporting.pages import render_page
from gym.reporting.run_table import write_csv
from gym.reporting.style import embed_png, save_figure

_MOST_PAIRS = 12
_MOST_SAMPLED = 100  # images of a side in the histograms
_PIXELS_SAMPLED = 5_000  # of each of these images


class DatasetSplit(NamedTuple):
    """The split of a dataset, how it was made, and near-duplicates on different sides.

    If the dataset cannot be split, all pairs are on the training side and ``obstacle`` says why; otherwise it is empty.
    """

    split: Split
    config: SplitConfig
    near_duplicates: Sequence[NearDuplicate]
    obstacle: str = ""


def write_report(
    folder: Path,
    dataset: Dataset,
    parts: DatasetSplit,
    read: ReadSample,
    examples: Sequence[int],
    is_kept: bool = True,
) -> Path:
    """Write the report on a dataset.

    Args:
        folder: Destination folder; an earlier report in it is replaced.
        dataset: The dataset.
        parts: Its split.
        read: Returns image and label of a sample.
        examples: Samples that show the augmentation of the training side.
        is_kept: Whether the dataset stays on disk, so that the report names its folder.

    Returns:
        The page.
    """
    with atomic_folder(folder) as temporary:
        _draw_sides(temporary, dataset, parts.split, read, examples)
        _write_balance(temporary, dataset, parts.split)
        histograms = draw_histograms(sample_pixels(dataset, parts.split), dataset.bands)
        save_figure(histograms, temporary / "histograms.png")
        write_json(temporary / "split.json", list_sample_names(dataset, parts.split))
        write_text(temporary / "index.html", _render(dataset, parts, temporary, is_kept))
    return folder / "index.html"


def _draw_sides(folder: Path, dataset: Dataset, split: Split, read: ReadSample, examples: Sequence[int]) -> None:
    shown = {
        side: (f"{side}: {min(_MOST_PAIRS, len(samples))} of {len(samples)}", pick_evenly(samples, _MOST_PAIRS))
        for side, samples in split._asdict().items()
        if samples
    }
    shown["training_augmented"] = "training, augmented", list(examples)
    for name, (title, samples) in shown.items():
        pairs = [PairPicture(sample_name(dataset, sample), *map(np.asarray, read(sample))) for sample in samples]
        save_figure(draw_pairs(pairs, dataset.bands, dataset.manifest.classes, title), folder / f"pairs_{name}.png")


def _write_balance(folder: Path, dataset: Dataset, split: Split) -> None:
    classes = dataset.manifest.classes
    by_side = {side: counts for side, counts in count_classes_by_side(dataset, split).items() if getattr(split, side)}
    sites = np.array([record.site for record in dataset.manifest.pairs])
    by_site = {str(site): dataset.counts[sites == site].sum(axis=0) for site in sorted(set(sites))}
    figure = draw_class_balance(by_side, by_site if len(by_site) > 1 else {}, classes)
    save_figure(figure, folder / "class_balance.png")
    rows = [
        {"group": group, "name": name, "class": label, "pixels": int(count), "share": f"{share:.6f}"}
        for group, by_name in (("side", by_side), ("site", by_site))
        for name, counts in by_name.items()
        for label, count, share in zip(classes, counts, counts / max(1, counts.sum()), strict=True)
    ]
    write_csv(folder / "class_balance.csv", rows)


def sample_pixels(dataset: Dataset, split: Split) -> dict[str, np.ndarray]:
    """Sample pixels with data from some images of each side, the same ones each time.

    Returns:
        Values, ``(pixels, bands)``, by side; a side without samples is left out.
    """
    values = {}
    for side, samples in split._asdict().items():
        parts = []
        for position in pick_evenly(sorted(set(pair_positions(samples, len(dataset)))), _MOST_SAMPLED):
            image = dataset.unpadded_image(position)
            pixels = image[image.any(axis=2)]
            draw = generator(0, "histogram", position).integers(0, len(pixels), min(_PIXELS_SAMPLED, len(pixels)))
            parts.append(pixels[draw])
        if parts:
            values[side] = np.concatenate(parts)
    return values


def _render(dataset: Dataset, parts: DatasetSplit, folder: Path, is_kept: bool) -> str:
    """Return the page with the pictures in ``folder`` embedded."""
    paths = sorted(folder.glob("pairs_*.png"), key=lambda path: (not path.stem.startswith("pairs_training"), path.stem))
    return render_page(
        "dataset",
        title=f"Dataset: {dataset.manifest.source}",
        notes=dataset_notes(dataset, parts),
        properties=dataset_properties(dataset, parts, is_kept),
        sides=_side_table(dataset, parts.split),
        labels=label_table(dataset),
        classes=_class_table(dataset),
        bands=_band_table(dataset),
        pairs={path.stem.removeprefix("pairs_").replace("_", ", "): embed_png(path) for path in paths},
        pictures={name: embed_png(folder / f"{name}.png") for name in ("class_balance", "histograms")},
        manifest=dataset.manifest,
        split=parts,
    )


def dataset_notes(dataset: Dataset, parts: DatasetSplit) -> list[str]:
    """Return warnings for the top of the page."""
    notes = []
    if parts.obstacle:
        notes.append(f"The dataset cannot be split, so all pairs are shown as training: {parts.obstacle}")
    elif parts.config.method == "paper":
        notes.append("This split leaks: as in the paper's program, validation contains copies of training scenes.")
    if absent := dataset.absent_classes:
        notes.append(f"No pixel is labelled {' or '.join(absent)}; check that the label values match data.classes.")
    if dataset.manifest.left_out:
        notes.append(f"Files or scenes left out: {len(dataset.manifest.left_out)}. The reasons are listed below.")
    return notes


def dataset_properties(dataset: Dataset, parts: DatasetSplit, is_kept: bool) -> list[tuple[str, str]]:
    """List what the dataset contains and how it was made, as names and values; its folder only if it is kept."""
    manifest, preparation = dataset.manifest, dataset.manifest.preparation
    resampled = sum(record.placement.window[2:] != record.placement.size for record in manifest.pairs)
    georeferenced = sum(bool(record.grid) for record in manifest.pairs)
    rows, columns = preparation.frame
    return [
        *([("dataset", str(dataset.folder))] if is_kept else []),
        ("fingerprint", manifest.fingerprint),
        ("pairs", f"{len(dataset)} from {pluralize(len({record.scene for record in manifest.pairs}), 'scene')}"),
        ("frame", f"{rows} x {columns} pixels, framing {preparation.framing}; {resampled} of {len(dataset)} resampled"),
        ("bands", ", ".join(preparation.bands)),
        ("values", f"{np.dtype(manifest.dtype).name}, scaling {preparation.scaling.method}"),
        ("georeferenced", f"{georeferenced} of {len(dataset)}"),
        ("split", "none" if parts.obstacle else describe_split(parts.config)),
    ]


def describe_split(config: SplitConfig) -> str:
    """Describe how a split is made, with the settings that its method uses."""
    validation, test, seed = f"{config.validation:g} for validation", f"{config.test:g} for test", f"seed {config.seed}"
    methods = {
        "random": f"random by {config.by}: {validation}, {test}, {seed}",
        "kfold": f"by {config.by}: fold {config.fold} of {config.folds} (from 0) for validation, {test}, {seed}",
        "leave_one_out": f"{config.by} {config.held_out} for test; {validation} of the other scenes, {seed}",
        "given": f"as listed in {config.sides}",
        "paper": f"copies in the paper's order: {validation}",
    }
    share = f"; uses {config.training_share:g} of the training side" if config.training_share < 1 else ""
    return methods[config.method] + share


def _side_table(dataset: Dataset, split: Split) -> PageTable:
    rows = []
    for side, samples in split._asdict().items():
        records = [dataset.manifest.pairs[position] for position in pair_positions(samples, len(dataset))]
        sites = ", ".join(sorted({record.site for record in records}))
        rows.append([side, sites, len(samples), len({record.scene for record in records})])
    return build_table(["side", "sites"], {"pairs": "{:,}", "scenes": "{:,}"}, rows)


def label_table(dataset: Dataset) -> PageTable:
    """Tabulate the label values in the files with the classes they became, most pixels first."""
    rows = [
        [name, label or "ignored", pixels]
        for name, classes in dataset.manifest.label_counts.items()
        for label, pixels in classes.items()
    ]
    return build_table(["label in the files", "class"], {"pixels": "{:,}"}, sorted(rows, key=lambda row: -row[2]))


def _class_table(dataset: Dataset) -> PageTable:
    counts = dataset.counts.sum(axis=0)
    rows = zip(dataset.manifest.classes, counts.tolist(), (counts / max(1, counts.sum())).tolist(), strict=True)
    return build_table(["class"], {"pixels in the dataset": "{:,}", "share": "{:.2%}"}, rows)


def _band_table(dataset: Dataset) -> PageTable:
    statistics = [record.statistics for record in dataset.manifest.pairs]
    mean, deviation = combine_statistics(statistics)
    lowest = np.min([one.least for one in statistics], axis=0)
    highest = np.max([one.largest for one in statistics], axis=0)
    titles = dict.fromkeys(["minimum", "mean", "standard deviation", "maximum"], "{:.6g}")
    return build_table(["band"], titles, zip(dataset.bands, lowest, mean, deviation, highest, strict=True))
