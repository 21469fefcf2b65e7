"""Write the card of a run.

card.md         to read anywhere; its pictures lie beside it
card.html       the same as one file that needs no network
card.json       the facts, for an evaluation to add to
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from gym.card import tables
from gym.card.facts import FACTS, CardFacts, write_facts
from gym.card.limits import is_leaky, list_limits, list_warnings
from gym.card.markdown import bullets, code, escape, to_page
from gym.card.words import describe_data, describe_model, describe_training, train_command
from gym.files import write_text
from gym.reporting.drawing import embed
from gym.reporting.environment import environment_rows
from gym.reporting.page import render_page

CARD = "card.md"

_PICTURE = re.compile(r"^!\[(.*)\]\((.*)\)$", re.MULTILINE)
_FUNCTIONS: Sequence[Callable[..., str]] = (
    *(tables.overall_table, tables.side_tables, tables.contest_table, tables.calibration_table),
    *(tables.count_table, tables.pixel_table, tables.worst_table, tables.word_score),
    *(tables.name_images, bullets, code),
)


def write_card(folder: Path, facts: CardFacts, pictures: Path | None = None) -> None:
    """Write a card, each of its files whole or not at all.

    Args:
        folder: Where to.
        facts: What it says.
        pictures: The folder of the run's artifacts; the pictures that are not there are missing in ``card.html``. None
            means ``folder``.

    Raises:
        OSError: It cannot be written.
    """
    text = render_markdown(facts)
    write_facts(folder / FACTS, facts)
    write_text(folder / CARD, text)
    write_text(folder / "card.html", render_html(text, pictures or folder))


def render_markdown(facts: CardFacts) -> str:
    """The card as Markdown."""
    return card_template().render(context_of(facts))


@cache
def card_template() -> jinja2.Template:
    """The template, in which what is put in is text and no markup."""
    environment = jinja2.Environment(  # noqa: S701 - it is escaped as Markdown, not as HTML
        loader=jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8"),
        finalize=escape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {make.__name__: make for make in _FUNCTIONS}
    return environment.get_template("card.md.jinja")


def context_of(facts: CardFacts) -> Mapping[str, Any]:
    """The values that the template uses."""
    return {
        "facts": facts,
        "classes": [one.name for one in facts.data.classes],
        "validation": next(side for side in facts.scores if side.side == "validation"),
        "leaky": is_leaky(facts),
        "warnings": list_warnings(facts),
        "limits": list_limits(facts),
        "model": describe_model(facts),
        "data": describe_data(facts),
        "training": describe_training(facts),
        "evaluations": dict(sorted(facts.evaluations.items())),
        "provenance": dict(environment_rows([facts.provenance])),
        "command": train_command(facts),
    }


def list_pictures(facts: CardFacts) -> list[str]:
    """The pictures that a card shows, by their paths among the run's artifacts."""
    return [address for _, address in _PICTURE.findall(render_markdown(facts))]


def without_pictures(text: str) -> str:
    """A card as Markdown that names its pictures and does not show them, for where they do not lie beside it."""
    return _PICTURE.sub(r"(\1)", text)


def render_html(text: str, pictures: Path) -> str:
    """The same as one HTML file, with the pictures that are there inside it."""
    page = to_page(text, lambda address: embed(pictures / address) if (pictures / address).is_file() else "")
    return render_page("card.html.jinja", title=page.title, parts=page.parts, body=Markup(page.body))  # noqa: S704 - no markup but its own
