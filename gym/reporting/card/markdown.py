"""Markdown in which any name is shown as text, and its conversion to HTML that needs no network.

Text of type `Markdown` is markup; all other text is escaped when it is inserted, so that a user's ``<script>``, ``|``
or ``$x$`` is not mistaken for markup.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from gym.reporting.page_tables import PageTable

_MARKUP = re.compile(r"[&<>|\\`*\[\]$~#]|(?<![^\W_])_|_(?![^\W_])")  # an underscore inside a word is not markup
_MARKUP_AT_START = re.compile(r"^([-+=]|\d+(?=[.)](?:\s|$)))")
_COLOUR = re.compile("#[0-9a-f]{6}")


class Markdown(str):
    """Text that is already Markdown."""

    __slots__ = ()


class Page(NamedTuple):
    """A text as HTML: its title, its second-level headings in lower case, and everything below the title.

    The id of a heading is its text with hyphens for spaces.
    """

    title: str
    parts: list[str]
    body: str


def escape(text: object) -> Markdown:
    """Convert any value to one line of Markdown that shows its text unchanged.

    Markup is written as numeric entities, which every Markdown reader shows as text. `Markdown` is returned unchanged.
    """
    if isinstance(text, Markdown):
        return text
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
    for markup in (_MARKUP, _MARKUP_AT_START):
        line = markup.sub(lambda found: "".join(f"&#{ord(letter)};" for letter in found[0]), line)
    return Markdown(line)


def code_block(text: str) -> Markdown:
    """Write a block of code with a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}\n{text}\n{fence}")


def bullets(values: Mapping[str, object]) -> Markdown:
    """Write a list of named values."""
    return Markdown("\n".join(f"- **{escape(name)}:** {escape(value)}" for name, value in values.items()))


def to_markdown(table: PageTable) -> Markdown:
    """Write a table; its number columns are aligned to the right."""
    heads = [escape(column.title) for column in table.columns]
    rules = [Markdown("---:" if column.is_number else "---") for column in table.columns]
    # A number column holds no names, and an escaped minus sign would be hard to read.
    rows = [
        [
            Markdown(cell.text) if column.is_number else escape(cell.text)
            for column, cell in zip(table.columns, row.cells, strict=True)
        ]
        for row in table.rows
    ]
    return Markdown("\n".join(f"| {' | '.join(line)} |" for line in (heads, rules, *rows)))


def to_page(text: str, embed: Callable[[str], str]) -> Page:
    """Convert Markdown to HTML; any HTML in it is shown as text.

    Args:
        text: Begins with its title, the only first-level heading.
        embed: Returns the source of a picture by its address, or nothing if only its description can be shown.
    """
    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=_CardRenderer).enable("table")
    tokens = reader.parse(text)
    parts = []
    for token, inside in pairwise(tokens):
        if token.tag == "h2" and inside.type == "inline":
            parts.append(inside.content.lower())
            token.attrSet("id", parts[-1].replace(" ", "-"))
        if token.type == "blockquote_open":
            token.attrSet("class", "note")
        if token.attrGet("style") == "text-align:right":
            token.attrs = {"class": "number"}
    title = "".join(part.content for part in tokens[1].children or ())
    return Page(title, parts, reader.renderer.render(tokens[3:], reader.options, {"embed": embed}))


class _CardRenderer(RendererHTML):
    """Renderer that embeds pictures, adds a swatch to the code of a colour, and lets wide tables scroll.

    The methods have the names of tokens, by which markdown-it finds them.
    """

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        description = escapeHtml(self.renderInlineAsText(token.children, options, env))
        address = str(token.attrs["src"])
        if source := env["embed"](address):
            name = escapeHtml(address.rpartition(".")[0].replace("/", "-"))
            return f'<img class="{name}" alt="{description}" src="{source}">'
        return f"({description}: {escapeHtml(address)})"

    def code_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        text = tokens[idx].content
        swatch = f'<span class="swatch" style="background:{text}"></span>' if _COLOUR.fullmatch(text) else ""
        return f"{swatch}<code>{escapeHtml(text)}</code>"

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="wide"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"
