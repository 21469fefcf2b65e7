"""The tables of a card: scores with their intervals, by class and by site, and what the data hold."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from gym.config.registries import SCORES, Place
from gym.core.text import format_interval, format_score
from gym.reporting.card.contents import CardFacts, Score, Scores, WorstImage
from gym.reporting.card.markdown import Markdown, escape, table

_UNDEFINED: Score = [None, None, None]
NONE = Markdown("-")


def word_score(score: Score) -> Markdown:
    """A score with its interval; a dash where there is none."""
    return Markdown(format_interval(*(float("nan") if value is None else value for value in score)))


def is_defined(score: Score | None) -> bool:
    """Whether there is such a score."""
    return score is not None and score[0] is not None


def overall_table(overall: Scores, means: Scores | None = None) -> Markdown:
    """Scores of all pixels together, and where they are known the means over images."""
    columns = ["score", "all pixels", *(["mean over images"] if means else [])]
    entries = SCORES.at(Place.EVALUATION)
    kept = {entry.name: entry.long_title for entry in entries if is_defined(overall.get(entry.name))}
    sets = [overall, means] if means else [overall]
    rows = [[meaning, *(word_score(of.get(name, _UNDEFINED)) for of in sets)] for name, meaning in kept.items()]
    return table(columns, rows)


def class_table(classes: Sequence[str], scores: Mapping[str, Scores]) -> Markdown:
    """The scores of each class."""
    return score_table(
        "class", {entry.name: entry.class_title for entry in SCORES.by_class}, {name: scores[name] for name in classes}
    )


def site_table(sites: Mapping[str, Scores]) -> Markdown:
    """The scores at each site."""
    return score_table(
        "site", {entry.name: entry.long_title for entry in SCORES.at(Place.SITE)}, dict(sorted(sites.items()))
    )


def site_class_table(score: str, classes: Sequence[str], sites: Mapping[str, Scores]) -> Markdown:
    """A score of each class at each site: the table of the paper's section 3.3."""
    return score_table("site", {f"{score}/{name}": name for name in classes}, dict(sorted(sites.items())))


def side_tables(classes: Sequence[str], of_classes: Mapping[str, Scores], sites: Mapping[str, Scores]) -> Markdown:
    """The scores of each class, at each site, and of each class at each site where there are several."""
    tables: list[str] = [class_table(classes, of_classes), site_table(sites)]
    if len(sites) > 1:
        for entry in SCORES.at(Place.SITE_CLASS):
            tables += [f"{entry.class_title} by site and class:", site_class_table(entry.name, classes, sites)]
    return Markdown("\n\n".join(tables))


def score_table(head: str, meanings: Mapping[str, str], rows: Mapping[str, Scores]) -> Markdown:
    """Scores by row; columns in which nothing is defined are left out."""
    kept = [name for name in meanings if any(is_defined(scores.get(name)) for scores in rows.values())]
    return table(
        [head, *(meanings[name] for name in kept)],
        [[row, *(word_score(scores.get(name, _UNDEFINED)) for name in kept)] for row, scores in rows.items()],
    )


def contest_table(scores: Mapping[str, Scores], leads: Scores) -> Markdown:
    """A model beside its baselines."""
    kept = SCORES.at(Place.BASELINES)
    rows = [
        [name, *(word_score(of[entry.name]) for entry in kept), word_score(leads[name]) if name in leads else NONE]
        for name, of in sorted(scores.items(), key=lambda one: (one[0] in leads, one[0]))  # the model first
    ]
    return table(
        ["", *(entry.long_title for entry in kept), f"{SCORES.get(SCORES.default).title} the model is ahead by"], rows
    )


def name_images(facts: CardFacts, evaluation: Mapping[str, Any]) -> str:
    """What an evaluation was made on: a side of the run's data, or other data."""
    side, data = evaluation["side"], evaluation["data"]
    return f"{side} images" if data["fingerprint"] == facts.data.fingerprint else f"{side} images of {data['source']}"


def calibration_table(facts: CardFacts) -> Markdown:
    """Calibration errors as predicted and with the temperature, and the temperature."""
    errors = SCORES.at(Place.CALIBRATION)
    rows = [
        [
            name_images(facts, one),
            *(word_score(one["overall"].get(entry.name, _UNDEFINED)) for entry in errors),
            word_score([one["temperature"]["value"], None, None]),
        ]
        for _, one in sorted(facts.evaluations.items())
    ]
    return table(["images", *(entry.long_title for entry in errors), "temperature"], rows)


def pixel_table(facts: CardFacts) -> Markdown:
    """Colour of each class, and on each side its pixels and their share."""
    sides = [side.name for side in facts.data.sides]
    totals = {side: max(1, sum(one.pixels[side] for one in facts.data.classes)) for side in sides}
    rows = [
        [
            Markdown(f"`{one.colour}` {escape(one.name)}"),
            *(f"{one.pixels[side]:,} ({one.pixels[side] / totals[side]:.1%})" for side in sides),
        ]
        for one in facts.data.classes
    ]
    return table(["class", *(f"{side} pixels" for side in sides)], rows)


def count_table(facts: CardFacts) -> Markdown:
    """Images of each site on each side, with the scenes and images of all."""
    sides = facts.data.sides
    sites = sorted({site for side in sides for site in side.sites})
    rows = [[site, *(side.sites.get(site, 0) for side in sides)] for site in sites] if len(sites) > 1 else []
    totals = [["images", *(side.images for side in sides)], ["scenes", *(side.scenes for side in sides)]]
    return table(["", *(side.name for side in sides)], [*totals, *([f"images of {site}", *of] for site, *of in rows)])


def worst_table(facts: CardFacts) -> Markdown:
    """The images of the picture of failures, in its order."""
    places, scores = ["image", "site"], [item.name for item in fields(WorstImage)[2:]]
    columns = [*places, *(SCORES.get(name).long_title for name in scores)]
    rows = [
        [one.name, one.site, Markdown(format_score(one.iou)), Markdown(format_score(one.overall_accuracy))]
        for one in facts.worst
    ]
    return table(columns, rows, texts=2)
