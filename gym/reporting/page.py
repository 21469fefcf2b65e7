"""Pages of one HTML file each that need no network, from templates that share their frame and their tables."""

from pathlib import Path
from typing import Any

import jinja2

from gym.bootstrap import FEW_SCENES

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
