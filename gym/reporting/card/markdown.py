"""Text as Markdown that no name can break, and Markdown as HTML that fetches nothing.

What is Markdown has the type `Markdown`; any other text is escaped where it is put into it, so that nothing a user
named, be it ``<script>``, ``|`` or ``$x$``, is taken for markup by a reader of Markdown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_MARKUP = re.compile(r"[&<>|\\`*\[\]$~#]|(?<![^\W_])_|_(?![^\W_])")  # an underscore within a word is none
_MARKUP_AT_START = re.compile(r"^([-+=]|\d+(?=[.)](?:\s|$)))")
_COLOUR = re.compile("#[0-9a-f]{6}")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


class Page(NamedTuple):
    """A text as HTML: its title, its parts, to be linked to by ``#`` and their names with hyphens, and the rest."""

    title: str
    parts: list[str]
    body: str


def escape(text: object) -> Markdown:
    """Make Markdown of anything's text: one line that shows it as it is, which a reader of the source can still read.

    Entities stand for what could be markup, since no reader of Markdown takes one for that.
    """
    if isinstance(text, Markdown):
        return text
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(text)).split())
    plain = _MARKUP.sub(lambda found: entities(found[0]), line)
    return Markdown(_MARKUP_AT_START.sub(lambda found: entities(found[0]), plain))


def entities(text: str) -> str:
    """Write each sign as its number."""
    return "".join(f"&#{ord(sign)};" for sign in text)


def code(text: str) -> Markdown:
    """A block of code, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}\n{text}\n{fence}")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], texts: int = 1) -> Markdown:
    """A table; its first columns are ``texts``, the others are numbers."""
    rule = [Markdown("---")] * texts + [Markdown("---:")] * (len(columns) - texts)
    lines = [[escape(cell) for cell in line] for line in (columns, rule, *rows)]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in lines))


def bullets(values: Mapping[str, object]) -> Markdown:
    """A list of named values."""
    return Markdown("\n".join(f"- **{escape(name)}:** {escape(value)}" for name, value in values.items()))


def to_page(text: str, embed: Callable[[str], str]) -> Page:
    """Make HTML of Markdown; what is HTML in it is shown as text.

    Args:
        text: Begins with its title, the only heading of the first level.
        embed: What to show for the address of a picture; where that is empty the picture's description is shown.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    for name, rule in _RULES.items():
        reader.add_render_rule(name, rule)
    tokens = reader.parse(text)
    parts = []
    for token, inside in pairwise(tokens):
        if token.tag == "h2" and inside.type == "inline":
            parts.append(inside.content.lower())
            token.attrSet("id", parts[-1].replace(" ", "-"))
        if token.attrGet("style") == "text-align:right":
            token.attrs = {"class": "number"}
    title = "".join(part.content for part in tokens[1].children or ())
    return Page(title, parts, reader.renderer.render(tokens[3:], reader.options, {"embed": embed}))


def _render_image(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    token = tokens[place]
    words = escapeHtml(self.renderInlineAsText(token.children, options, env))
    address = str(token.attrs["src"])
    source = env["embed"](address)
    named = escapeHtml(address.rpartition(".")[0].replace("/", "-"))
    picture = f'<img class="{named}" alt="{words}" src="{source}">'
    return picture if source else f"({words}: {escapeHtml(address)})"


def _render_colour(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    words = tokens[place].content
    swatch = f'<span class="swatch" style="background:{words}"></span>' if _COLOUR.fullmatch(words) else ""
    return f"{swatch}<code>{escapeHtml(words)}</code>"


def _render_note(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return '<blockquote class="note">\n'


def _render_table(self: RendererHTML, tokens: Sequence[Token], place: int, options: Any, env: Any) -> str:
    return '<div class="wide"><table>\n' if tokens[place].nesting == 1 else "</table></div>\n"


_RULES = {
    "image": _render_image,
    "code_inline": _render_colour,
    "blockquote_open": _render_note,
    "table_open": _render_table,
    "table_close": _render_table,
}
