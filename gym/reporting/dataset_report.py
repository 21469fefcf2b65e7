"""Report on a data set: pictures, tables, and one HTML page that holds them all.

report/
    index.html              everything, in one file that needs no network
    *.png                   its pictures: pairs of each side, augmented examples, class balance, band histograms
    class_balance.csv       pixels of each class, by side and by site
    split.json              names of the pairs of each side
"""

import base64
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np

from gym.config import SplitConfig
from gym.data.labels import IGNORE, LabelRule
from gym.data.sides import find_likenesses, positions_of, sample_name, side_counts
from gym.data.split import Split
from gym.data.store import Store, combine_statistics
from gym.files import replacing_folder, write_json, write_text
from gym.reporting.dataset_figures import Shown, draw_class_balance, draw_histograms, draw_pairs
from gym.reporting.figures import save
from gym.seeding import generator

_MOST_PAIRS = 12
_MOST_SAMPLED = 100  # images of a side in the histograms
_PIXELS_SAMPLED = 5_000  # of each of them

ReadSample = Callable[[int], tuple[Any, Any]]


class Examples(NamedTuple):
    """Augmented training samples to show: their numbers, and what gives image and label of one."""

    samples: Sequence[int]
    read: ReadSample


def write_report(
    folder: Path,
    store: Store,
    split: Split,
    config: SplitConfig,
    rule: LabelRule,
    read: ReadSample,
    augmented: Examples,
) -> Path:
    """Write the report of a split store.

    Args:
        folder: Where to; replaced whole.
        store: The data set.
        split: Its sides.
        config: How they were found.
        rule: What the label values of the files mean.
        read: Gives image and label of a sample.
        augmented: Examples of augmentation.

    Returns:
        The page.
    """
    with replacing_folder(folder) as beside:
        write_pairs(beside, store, split, read, augmented)
        write_balance(beside, store, split)
        save(draw_histograms(sample_pixels(store, split), store.bands), beside / "histograms.png")
        names = {side: [sample_name(store, sample) for sample in samples] for side, samples in split._asdict().items()}
        write_json(beside / "split.json", names)
        write_text(beside / "index.html", render(store, split, config, rule, beside))
    return folder / "index.html"


def write_pairs(folder: Path, store: Store, split: Split, read: ReadSample, augmented: Examples) -> None:
    """Draw some pairs of each side, and some augmented ones."""
    classes = store.manifest.classes
    for side, samples in split._asdict().items():
        if samples:
            shown = [show(store, sample, read) for sample in spread(samples, _MOST_PAIRS)]
            title = f"{side}: {len(shown)} of {len(samples)}"
            save(draw_pairs(shown, store.bands, classes, title), folder / f"pairs_{side}.png")
    shown = [show(store, sample, augmented.read) for sample in augmented.samples]
    save(draw_pairs(shown, store.bands, classes, "training, augmented"), folder / "pairs_training_augmented.png")


def show(store: Store, sample: int, read: ReadSample) -> Shown:
    """Read a sample to show it."""
    image, label = map(np.asarray, read(sample))
    return Shown(sample_name(store, sample), image, label)


def spread(samples: Sequence[int], most: int) -> list[int]:
    """Pick up to ``most`` of some samples, evenly."""
    picks = np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int)
    return [samples[pick] for pick in picks]


def site_counts(store: Store) -> dict[str, np.ndarray]:
    """Pixels of each class at each site, ``(classes,)`` int64, by name."""
    sites = np.array([record.site for record in store.manifest.pairs])
    return {str(site): store.counts[sites == site].sum(axis=0) for site in sorted(set(sites))}


def write_balance(folder: Path, store: Store, split: Split) -> None:
    """Write pixels and shares of each class, by side and by site, as a chart and as a CSV."""
    classes = store.manifest.classes
    by_side = {side: counts for side, counts in side_counts(store, split).items() if counts.any()}
    by_site = site_counts(store)
    save(draw_class_balance(by_side, by_site if len(by_site) > 1 else {}, classes), folder / "class_balance.png")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("group", "name", "class", "pixels", "share"))
    for group, counted in (("side", by_side), ("site", by_site)):
        for name, counts in counted.items():
            total = max(1, int(counts.sum()))
            writer.writerows(
                (group, name, label, int(count), f"{count / total:.6f}")
                for label, count in zip(classes, counts, strict=True)
            )
    write_text(folder / "class_balance.csv", text.getvalue())


def sample_pixels(store: Store, split: Split) -> dict[str, np.ndarray]:
    """Values of some pixels with data of some images of each side, ``(pixels, bands)``, the same ones each time."""
    values = {}
    for side, samples in split._asdict().items():
        parts = []
        for position in spread(sorted(set(positions_of(samples, len(store)))), _MOST_SAMPLED) if samples else []:
            image = np.load(store.image_path(position), mmap_mode="r", allow_pickle=False)
            pixels = image[image.any(axis=2)]
            draw = generator(0, "histogram", position).integers(0, len(pixels), min(_PIXELS_SAMPLED, len(pixels)))
            parts.append(pixels[draw])
        if parts:
            values[side] = np.concatenate(parts)
    return values


def render(store: Store, split: Split, config: SplitConfig, rule: LabelRule, folder: Path) -> str:
    """Make the page, with the pictures of ``folder`` inside it."""
    template = Path(__file__).with_name("dataset.html.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    pairs = {path.stem.removeprefix("pairs_").replace("_", ", "): embed(path) for path in order_pictures(folder)}
    pictures = {"pairs": pairs, **{name: embed(folder / f"{name}.png") for name in ("class_balance", "histograms")}}
    return environment.from_string(template).render(
        title=f"Data set: {store.manifest.source}",
        notes=list_notes(store, config),
        facts=list_facts(store, config),
        sides=list_sides(store, split),
        labels=list_labels(store, rule),
        classes=list_classes(store),
        bands=list_bands(store),
        pictures=pictures,
        left_out=store.manifest.left_out,
        alike=find_likenesses(store, split, config),
        likeness=config.likeness,
    )


def order_pictures(folder: Path) -> list[Path]:
    """The pictures of pairs, training first."""
    return sorted(folder.glob("pairs_*.png"), key=lambda path: (not path.stem.startswith("pairs_training"), path.stem))


def embed(path: Path) -> str:
    """A picture as text that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def list_notes(store: Store, config: SplitConfig) -> list[str]:
    """What a reader must not overlook."""
    notes = []
    if config.method == "paper":
        notes.append("This split leaks: validation sees copies of training scenes, as in the paper's program.")
    missing = [name for name, count in zip(store.manifest.classes, store.counts.sum(axis=0), strict=True) if not count]
    if missing:
        notes.append(f"Not one pixel is {' or '.join(missing)}: do the label values fit data.classes?")
    if store.manifest.left_out:
        notes.append(f"{len(store.manifest.left_out)} files or scenes are left out; the reasons are below.")
    return notes


def list_facts(store: Store, config: SplitConfig) -> list[tuple[str, str]]:
    """What the store is, in words."""
    manifest, preparation = store.manifest, store.manifest.preparation
    shrunk = sum(record.placement.window[2:] != record.placement.shown for record in manifest.pairs)
    placed = sum(bool(record.grid) for record in manifest.pairs)
    rows, columns = preparation.frame
    return [
        ("store", str(store.folder)),
        ("fingerprint", manifest.fingerprint),
        ("pairs", f"{len(store)} of {len({record.scene for record in manifest.pairs})} scenes"),
        ("frame", f"{rows} x {columns} pixels, framing {preparation.framing}; {shrunk} of {len(store)} resampled"),
        ("bands", ", ".join(preparation.bands)),
        ("values", f"{np.dtype(manifest.dtype).name}, scaling {preparation.scaling.method}"),
        ("georeferenced", f"{placed} of {len(store)}"),
        ("split", f"{config.method} by {config.by}, seed {config.seed}"),
    ]


def list_sides(store: Store, split: Split) -> list[dict[str, Any]]:
    """Pairs, scenes and sites of each side."""
    sides = []
    for side, samples in split._asdict().items():
        records = [store.manifest.pairs[position] for position in positions_of(samples, len(store))]
        scenes, sites = ({getattr(record, kind) for record in records} for kind in ("scene", "site"))
        sides.append({"name": side, "pairs": len(samples), "scenes": len(scenes), "sites": sorted(sites)})
    return sides


def list_labels(store: Store, rule: LabelRule) -> list[dict[str, Any]]:
    """What stood in the label files, and what it becomes."""
    counts = sorted(store.manifest.label_counts.items(), key=lambda entry: -entry[1])
    return [{"name": name, "pixels": pixels, "becomes": becomes(name, rule)} for name, pixels in counts]


def becomes(entry: str, rule: LabelRule) -> str:
    """The class of a value or name as it stood in a label file."""
    is_value = entry.lstrip("-").isdigit() and entry not in rule.classes
    index = rule.class_of(int(entry), ()) if is_value else rule.class_of(0, (entry,))
    if index is None:
        return "-"
    return "counts nowhere" if index == IGNORE else rule.classes[index]


def list_classes(store: Store) -> list[dict[str, Any]]:
    """Pixels and share of each class."""
    counts = store.counts.sum(axis=0)
    total = max(1, int(counts.sum()))
    pairs = zip(store.manifest.classes, counts.tolist(), strict=True)
    return [{"name": name, "pixels": count, "share": count / total} for name, count in pairs]


def list_bands(store: Store) -> list[dict[str, Any]]:
    """Least, mean, deviation and largest value of each band."""
    statistics = [record.statistics for record in store.manifest.pairs]
    mean, deviation = combine_statistics(statistics)
    least, largest = (np.array([getattr(one, name) for one in statistics]) for name in ("least", "largest"))
    columns: Mapping[str, Sequence[Any]] = {
        "name": store.bands,
        "least": least.min(axis=0),
        "mean": mean,
        "deviation": deviation,
        "largest": largest.max(axis=0),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
