"""The tables of a card: scores with their intervals, and what the data contain."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gym.config.registries import SCORES, Place
from gym.core.text import format_interval, format_score
from gym.evaluation.bootstrap import Interval
from gym.reporting import page_tables
from gym.reporting.card.contents import CardContents, JsonScores, WorstImage
from gym.reporting.card.markdown import Markdown, escape, to_markdown


def format_json_score(score: Sequence[float | None]) -> str:
    """Format a stored score with its interval; an undefined score is a dash."""
    return format_interval(*_to_interval(score))


def _to_interval(score: Sequence[float | None]) -> Interval:
    return Interval(*(float("nan") if value is None else value for value in score))


def _to_intervals(scores: JsonScores) -> dict[str, Interval]:
    return {name: _to_interval(score) for name, score in scores.items()}


def overall_table(overall: JsonScores, means: JsonScores | None = None) -> Markdown:
    """Tabulate the scores of all pixels together, and the means over images if they are known."""
    return to_markdown(page_tables.overall_table(_to_intervals(overall), _to_intervals(means or {})))


def side_tables(
    classes: Sequence[str], class_scores: Mapping[str, JsonScores], site_scores: Mapping[str, JsonScores]
) -> Markdown:
    """Tabulate scores by class, by site and, if there are several sites, by site and class."""
    by_class = {name: _to_intervals(class_scores[name]) for name in classes}
    by_site = {site: _to_intervals(scores) for site, scores in sorted(site_scores.items())}
    class_titles = {entry.name: entry.class_title for entry in SCORES.by_class}
    tables: list[str] = [
        to_markdown(page_tables.score_table("class", class_titles, by_class)),
        to_markdown(page_tables.score_table("site", SCORES.titles_at(Place.SITE), by_site)),
    ]
    if len(by_site) > 1:
        for entry in SCORES.at(Place.SITE_CLASS):
            titles = {f"{entry.name}/{name}": name for name in classes}
            table = to_markdown(page_tables.score_table("site", titles, by_site))
            tables += [f"{entry.class_title} by site and class:", table]
    return Markdown("\n\n".join(tables))


def baseline_table(scores: Mapping[str, JsonScores], leads: JsonScores) -> Markdown:
    """Tabulate the scores of the model and its baselines, the model first, and its lead over each of them."""
    ordered = {name: _to_intervals(scores[name]) for name in sorted(scores, key=lambda name: (name in leads, name))}
    title = f"lead of the model in {SCORES.get(SCORES.default).title}"
    return to_markdown(page_tables.baseline_table(ordered, _to_intervals(leads), title))


def calibration_table(contents: CardContents) -> Markdown:
    """Tabulate the calibration errors with and without temperature, and the temperature, of each evaluation."""
    errors = SCORES.titles_at(Place.CALIBRATION)
    rows = []
    for _, evaluation in sorted(contents.evaluations.items()):
        scores = [evaluation["overall"].get(name, [None] * 3) for name in errors]
        scores.append([evaluation["temperature"]["value"], None, None])
        rows.append([name_images(contents, evaluation), *map(format_json_score, scores)])
    titles = dict.fromkeys([*errors.values(), "temperature"], "{}")
    return to_markdown(page_tables.build_table(["images"], titles, rows))


def name_images(contents: CardContents, evaluation: Mapping[str, Any]) -> str:
    """Name the images of an evaluation by their side, and by their source if they are not the run's own data."""
    side, data = evaluation["side"], evaluation["data"]
    is_own = data["fingerprint"] == contents.data.fingerprint
    return f"{side} images" if is_own else f"{side} images of {data['source']}"


def pixel_table(contents: CardContents) -> Markdown:
    """Tabulate the colour of each class, and its pixels on each side with their share."""
    sides = [side.name for side in contents.data.sides]
    totals = {side: max(1, sum(one.pixels[side] for one in contents.data.classes)) for side in sides}
    rows = [
        [
            Markdown(f"`{one.colour}` {escape(one.name)}"),
            *(f"{one.pixels[side]:,} ({one.pixels[side] / totals[side]:.1%})" for side in sides),
        ]
        for one in contents.data.classes
    ]
    return to_markdown(page_tables.build_table(["class"], {f"{side} pixels": "{}" for side in sides}, rows))


def count_table(contents: CardContents) -> Markdown:
    """Tabulate the images and scenes of each side and, if there are several sites, the images of each site."""
    sides = contents.data.sides
    sites = sorted({site for side in sides for site in side.sites})
    rows: list[list[Any]] = [
        ["images", *(side.images for side in sides)],
        ["scenes", *(side.scenes for side in sides)],
    ]
    if len(sites) > 1:
        rows += [[f"images of {site}", *(side.sites.get(site, 0) for side in sides)] for site in sites]
    return to_markdown(page_tables.build_table([""], {side.name: "{}" for side in sides}, rows))


def worst_table(contents: CardContents) -> Markdown:
    """Tabulate the images in the picture of failures, in its order."""
    scores = [item.name for item in fields(WorstImage)[2:]]
    rows = [[one.name, one.site, *(format_score(getattr(one, name)) for name in scores)] for one in contents.worst]
    titles = {SCORES.get(name).long_title: "{}" for name in scores}
    return to_markdown(page_tables.build_table(["image", "site"], titles, rows))
