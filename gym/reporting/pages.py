"""With what the runs of a report were made: code, packages, machine and data, as each run noted them in MLflow.

Pages of one HTML file each that need no network, from templates that share their frame and their tables.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from gym.core.text import pluralize
from gym.evaluation.bootstrap import FEW_SCENES

_TEMPLATES = Path(__file__).parent


def render_page(template: str, **values: Any) -> str:
    """Fill a template of this folder; what is put in is text and no markup, and a value that is not given is an error.

    Args:
        template: File name, as in ``comparison.html.jinja``.
        values: By the names that the template uses.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.globals["few_scenes"] = FEW_SCENES
    return environment.get_template(template).render(values)


_TITLES = {
    "git_commit": "commit of the code",
    "machine": "machine",
    "precision": "precision",
    "threads": "threads",
    "tuned": "tuned for the processor",
    "data": "data",
    "data_fingerprint": "fingerprint of the data",
    "split": "split",
}
_VERSION = "version."


def environment_rows(tags: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """What is the same for all runs once, and what differs with how many runs have which.

    Args:
        tags: Of each run.

    Returns:
        Name and value; what no run has noted is left out.
    """
    versions = sorted({name for of in tags for name in of if name.startswith(_VERSION)})
    titles = _TITLES | {name: name.removeprefix(_VERSION) for name in versions}
    rows = [(title, word_values([of[name] for of in tags if name in of])) for name, title in titles.items()]
    return [(title, value) for title, value in rows if value]


def word_values(values: Sequence[str]) -> str:
    """The one value, or each with the number of its runs, the most frequent first."""
    counts = Counter(values)
    if len(counts) < 2:
        return next(iter(counts), "")
    return ", ".join(f"{value} ({pluralize(number, 'run')})" for value, number in counts.most_common())
