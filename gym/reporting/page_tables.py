"""The tables of a page: text to read, exact values to sort by, and marks on chosen rows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from gym.config.registries import SCORES, Place
from gym.core.text import format_duration, format_interval, pluralize
from gym.evaluation import confusion
from gym.evaluation.bootstrap import Interval
from gym.evaluation.legacy_scores import MEANINGS
from gym.reporting.recommendation import Recommendation
from gym.reporting.run_table import EQUAL_WEIGHTS, Row, comparison_rows, format_setting, score_of, swept_keys
from gym.runs.result import RunResult

_COLUMN_TITLES = {EQUAL_WEIGHTS: "equal weights", "weights_sha256": "weights", "run_id": "MLflow run"}
_ALL_SITES = "all sites"
_VERSION = "version."
_TAG_TITLES = {
    "git_commit": "code commit",
    "project_commit": "project commit",
    "machine": "machine",
    "precision": "precision",
    "threads": "threads",
    "tuned": "tuned for this processor",
    "data": "data",
    "data_fingerprint": "data fingerprint",
    "split": "split",
}


class Column(NamedTuple):
    """The title of a column, and whether its cells are numbers."""

    title: str
    is_number: bool = False


class Cell(NamedTuple):
    """The text of a cell, and the value to sort by, which is empty if there is none."""

    text: str
    value: str


class PageRow(NamedTuple):
    """The cells of a row, and the words that mark it, such as ``recommended``."""

    cells: list[Cell]
    marks: Sequence[str] = ()


class PageTable(NamedTuple):
    """A table as the templates show it."""

    columns: list[Column]
    rows: list[PageRow]


def runs_table(results: Sequence[RunResult], recommendation: Recommendation) -> PageTable:
    """List runs with their swept settings and scores, and mark the recommended and the best one."""
    rows = comparison_rows(results, swept_keys(results))
    hidden = {"fingerprint"} if any(row[EQUAL_WEIGHTS] for row in rows) else {"fingerprint", EQUAL_WEIGHTS}
    names = [name for row in rows[:1] for name in row if name not in hidden]
    titles = _COLUMN_TITLES | {entry.name: entry.title for entry in SCORES.at(Place.TABLE)}
    marked = {"recommended": recommendation.chosen, "best": recommendation.best}
    return PageTable(
        [Column(titles.get(name, name), _is_numeric(rows, name)) for name in names],
        [
            PageRow(
                [_setting_cell(name, row[name]) for name in names],
                [mark for mark, run in marked.items() if run is result],
            )
            for row, result in zip(rows, results, strict=True)
        ],
    )


def _is_numeric(rows: Sequence[Row], name: str) -> bool:
    return all(row[name] is None or type(row[name]) in (int, float) for row in rows)


def _setting_cell(name: str, value: Any) -> Cell:
    if value is None:
        return Cell("-" if name in SCORES else "null", "")
    exact = format_setting(value)
    if name not in SCORES:
        return Cell(exact, exact)
    entry = SCORES.get(name)
    return Cell(format_duration(value) if entry.unit == "s" else entry.number.format(value), exact)


def site_dice_table(run: RunResult, sites: Mapping[str, str]) -> PageTable:
    """Tabulate the Dice of a run by site and class with the number of scenes, as in section 3.3 of the paper.

    Several sites are followed by a row for all of them. If the site of an image is unknown, the table shows the mean
    Dice per site that the run logged.

    Args:
        run: A run.
        sites: The site of each validation image, by image name.
    """
    (dice,) = SCORES.at(Place.SITE_REPORT)
    if not run.images or not set(run.images) <= set(sites):
        prefix = f"site_{dice.name}/"
        logged = sorted(name for name in run.scores if name.startswith(prefix))
        rows = [[name.removeprefix(prefix), score_of(run, name)] for name in logged]
        rows += [[_ALL_SITES, score_of(run, dice.name)]] if len(rows) != 1 else []
        return build_table(["site"], {dice.title: "{:.3f}"}, rows)
    site_of_image, scenes = np.array([sites[image] for image in run.images]), np.array(run.scenes)
    parts = {str(site): site_of_image == site for site in sorted(set(site_of_image))}
    parts |= {_ALL_SITES: np.ones(len(scenes), bool)} if len(parts) > 1 else {}
    return build_table(
        ["site"],
        {"scenes": "{}"}
        | dict.fromkeys([dice.title, *(f"{dice.class_title} {name}" for name in run.classes)], "{:.3f}"),
        [[site, len(set(scenes[part])), *_dice_scores(run.matrices[part])] for site, part in parts.items()],
    )


def _dice_scores(matrices: np.ndarray) -> list[float | None]:
    """Return the mean Dice and the Dice of each class over several images; None for an absent class."""
    whole = matrices.sum(axis=0)
    values = [confusion.mean_dice(whole), *confusion.class_dice(whole)]
    return [None if np.isnan(value) else float(value) for value in values]


def build_table(texts: Sequence[str], numbers: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> PageTable:
    """Build a table of text columns followed by number columns.

    Args:
        texts: Titles of the text columns.
        numbers: Format of each number column, as in ``{:.3f}``, by its title.
        rows: The values of each row; None is shown as a dash.
    """
    formats = [*["{}"] * len(texts), *numbers.values()]
    return PageTable(
        [*map(Column, texts), *(Column(title, is_number=True) for title in numbers)],
        [PageRow([_format_cell(*pair) for pair in zip(formats, row, strict=True)]) for row in rows],
    )


def _format_cell(number_format: str, value: Any) -> Cell:
    if value is None:
        return Cell("-", "")
    # Formatting would turn Markdown, a subclass of str, into plain text.
    return Cell(value if isinstance(value, str) else number_format.format(value), str(value))


def score_table(head: str, titles: Mapping[str, str], rows: Mapping[str, Mapping[str, Interval]]) -> PageTable:
    """Tabulate scores with their intervals; a column without any defined score is left out.

    Args:
        head: Title of the column that names the rows.
        titles: Titles of the score columns, by score.
        rows: The scores of each row, by score; a missing one is undefined.
    """
    kept = [name for name in titles if any(is_defined(scores.get(name)) for scores in rows.values())]
    return PageTable(
        [Column(head), *(Column(titles[name], is_number=True) for name in kept)],
        [PageRow([Cell(row, row), *(score_cell(scores.get(name)) for name in kept)]) for row, scores in rows.items()],
    )


def overall_table(overall: Mapping[str, Interval], means: Mapping[str, Interval]) -> PageTable:
    """Tabulate the defined scores of all pixels together, and the means over images of those that have one."""
    rows = {
        title: {"pixels": overall[name]} | ({"images": means[name]} if name in means else {})
        for name, title in SCORES.titles_at(Place.EVALUATION).items()
        if is_defined(overall.get(name))
    }
    return score_table("score", {"pixels": "all pixels", "images": "mean over images"}, rows)


def baseline_table(
    scores: Mapping[str, Mapping[str, Interval]], leads: Mapping[str, Interval], lead_title: str
) -> PageTable:
    """Tabulate the scores of a model and its baselines, and its lead over each baseline under the given title."""
    titles = SCORES.titles_at(Place.BASELINES) | {"lead": lead_title}
    rows = {name: dict(of) | ({"lead": leads[name]} if name in leads else {}) for name, of in scores.items()}
    return score_table("", titles, rows)


def is_defined(score: Interval | None) -> TypeGuard[Interval]:
    """Check that a score exists and is not NaN, as 0/0 is."""
    return score is not None and not np.isnan(score.value)


def score_cell(score: Interval | None) -> Cell:
    """Show a score with its interval; an undefined score is a dash."""
    return Cell(format_interval(*score), repr(score.value)) if is_defined(score) else Cell("-", "")


def legacy_rows(legacy: Mapping[str, float], scores: Mapping[str, Interval] | None = None) -> list[dict[str, str]]:
    """List the numbers that the original program would have printed, in words that say what is wrong with them.

    Args:
        legacy: The original's numbers by name, those of `gym.evaluation.legacy_scores.MEANINGS`.
        scores: The correct scores by name, for comparison.

    Returns:
        ``meaning`` and ``original`` of each, and ``correct`` if ``scores`` are given.
    """
    rows = []
    for name, meaning in MEANINGS.items():
        if name in legacy:
            correct = {"correct": f"{scores[name.removesuffix('_2022')].value:.3f}"} if scores else {}
            rows.append({"meaning": meaning, "original": f"{legacy[name]:.3f}"} | correct)
    return rows


def provenance_rows(tags: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Summarise what runs were made with: code, packages, machine and data.

    Args:
        tags: The MLflow tags of each run.

    Returns:
        Names and values. A value that differs between runs is given with the number of its runs; what no run has noted
        is left out.
    """
    versions = sorted({name for one in tags for name in one if name.startswith(_VERSION)})
    titles = _TAG_TITLES | {name: name.removeprefix(_VERSION) for name in versions}
    rows = [(title, _summarize_values([one[name] for one in tags if name in one])) for name, title in titles.items()]
    return [(title, value) for title, value in rows if value]


def _summarize_values(values: Sequence[str]) -> str:
    """Return the only value, or all with the number of their runs, the most frequent first."""
    counts = Counter(values)
    if len(counts) < 2:
        return next(iter(counts), "")
    return ", ".join(f"{value} ({pluralize(number, 'run')})" for value, number in counts.most_common())
