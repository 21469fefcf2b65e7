"""Markdown and HTML show any name unchanged, whatever it contains."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gym.reporting.card.markdown import Markdown, bullets, code_block, escape, to_markdown, to_page
from gym.reporting.page_tables import build_table

EVIL = (
    "<script>alert(1)</script>",
    "a|b",
    "`x`",
    "$x$ and $$y$$",
    "**bold** _it_ __init__ a__b_",
    "[l](http://x) ![p](p.png)",
    "# x #",
    "1. one",
    "- - -",
    "===",
    "\\|\\",
    "&amp; &lt;",
    "~~~",
    "a\nb\r\nc\x00",
    "> q",
    "+",
    "7)",
    "     five spaces",
)
texts = st.text(st.characters(codec="utf-8") | st.sampled_from("\\`*_[]<>|&$~#!-+=.1) \n"), max_size=12)


def body_of(text, embed=lambda address: ""):
    """A text below a title, as HTML."""
    return to_page(f"# title\n\n{text}\n", embed).body


def shown(markup):
    """The text that HTML shows."""
    return unescape(re.sub("<[^>]*>", "", markup))


def as_line(text):
    """A name as one line, in which HTML collapses spaces."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def every(text):
    """Run a test with each of `EVIL`, too."""
    for evil in EVIL:
        text = example(evil)(text)
    return text


@every
@given(texts)
def test_a_name_in_a_paragraph_is_shown_unchanged(name):
    """It may be at the start, inside or at the end."""
    for before, after in (("", ""), ("", " end"), ("a ", " end"), ("(", ")")):
        found = body_of(f"{before}{escape(name)}{after}")
        if as_line(before + name + after):
            assert re.fullmatch(r"<p>[^<]*</p>\n", found)
        assert as_line(shown(found)) == as_line(before + as_line(name) + after)


@every
@given(texts)
def test_a_name_in_a_table_is_one_cell(name):
    """It may be in the head or in a row, and contain vertical bars."""
    found = body_of(to_markdown(build_table(["of", name], {}, [[name, "1"], ["2", name]])))

    cells = re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", found)
    assert [as_line(unescape(cell)) for cell in cells] == [as_line(cell) for cell in ("of", name, name, "1", "2", name)]
    assert (
        re.sub(r"</?(div|table|thead|tbody|tr|th|td)\b[^>]*>|\s", "", re.sub(r"(<t[hd][^>]*>)[^<]*", r"\1", found))
        == ""
    )


@every
@given(texts)
def test_a_name_in_a_list_is_one_item(name):
    """It may be the value of an item, or the whole item."""
    for listed, text in ((bullets({"it": name}), f"it: {name}"), (f"- {escape(name)}", name)):
        found = body_of(listed)
        assert found.count("<li>") == 1
        assert set(re.findall("<(/?[a-z0-9]+)", found)) <= {"ul", "/ul", "li", "/li", "strong", "/strong"}
        assert as_line(shown(found)) == as_line(text)


@every
@given(texts)
def test_a_name_in_the_title_is_shown_unchanged(name):
    """It may contain the marks that close a heading."""
    page = to_page(f"# Card: {escape(name)}\n\ntext\n", lambda address: "")

    assert as_line(page.title) == as_line(f"Card: {name}")
    assert page.body == "<p>text</p>\n"


@every
@given(texts)
def test_a_command_in_a_block_is_unchanged(command):
    """Backticks do not end the block."""
    (found,) = re.findall(r"<pre><code>(.*)\n</code></pre>", body_of(code_block(command)), re.DOTALL)

    assert unescape(found).split() == command.replace("\x00", "\ufffd").split()


def test_ordinary_names_stay_readable():
    """People read the source, too: underscores in words, points, hyphens and parentheses are not escaped."""
    for name in ("ocean_beach_0012.tif", "a-b (c), 1.5 m", "3.15.1", "2022-05-23", "50%"):
        assert escape(name) == name


def test_markdown_is_not_escaped_again():
    """Text that is already Markdown is unchanged."""
    assert escape(escape("a|b")) == escape("a|b") == "a&#124;b"
    assert escape(Markdown("**x**")) == "**x**"


def test_headings_can_be_linked_to():
    """Second-level headings are listed in order and have ids."""
    page = to_page("# t\n\n## Model\n\n### Not this\n\n## Intended use\n", lambda address: "")

    assert page.parts == ["model", "intended use"]
    assert re.findall('<h2 id="(.*?)">', page.body) == ["model", "intended-use"]


def test_a_picture_is_embedded_or_described():
    """A missing picture is replaced by its description."""
    pictures = {"a/b.png": "data:image/png;base64,AAAA"}
    found = body_of("![what it shows](a/b.png) ![lost](c.png)", lambda address: pictures.get(address, ""))

    assert found == ('<p><img class="a-b" alt="what it shows" src="data:image/png;base64,AAAA"> (lost: c.png)</p>\n')


def test_numbers_are_aligned_and_colours_have_swatches():
    """Number columns have a CSS class, and a swatch shows the colour of each code."""
    found = body_of(to_markdown(build_table(["class"], {"pixels": "{}"}, [[Markdown("`#0072b2` water"), 3]])))

    assert '<th class="number">pixels</th>' in found
    assert '<td class="number">3</td>' in found
    assert '<td><span class="swatch" style="background:#0072b2"></span><code>#0072b2</code> water</td>' in found


@pytest.mark.parametrize("markup", ["<b>x</b>", "<script>x</script>", "<!-- x -->"])
def test_html_in_markdown_is_text(markup):
    """Escaping is not the only line of defence."""
    assert shown(body_of(markup)).strip() == markup
