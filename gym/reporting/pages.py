"""HTML pages from the templates of this package: each is one file that needs no network."""

from pathlib import Path
from typing import Any

import jinja2

from gym.evaluation.bootstrap import FEW_SCENES

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
)
TEMPLATES.globals["few_scenes"] = FEW_SCENES


def render_page(template: str, **values: Any) -> str:
    """Fill a template with values, which are escaped: whatever a user named is shown as text.

    Args:
        template: Name of the template without its suffix, as in ``comparison``.
        values: The template's variables by name.

    Raises:
        jinja2.UndefinedError: The template uses a variable that is not given.
    """
    return TEMPLATES.get_template(f"{template}.html.jinja").render(values)
