"""A page is made of its template, its values, and nothing else."""

import re

import pytest
from jinja2 import UndefinedError

from gym.reporting.page_tables import ShownTable
from gym.reporting.pages import render_page
from gym.reporting.recommendation import Recommendation

VALUES = {
    "title": "<b>mine</b>",
    "recommendation": Recommendation("none & nothing"),
    "table": ShownTable([], []),
    "pictures": {"figure4": "a", "pareto": "b", "stopping_epochs": "c"},
}


def test_values_are_text():
    """No markup, in the head, in the body and in parts that pages share."""
    page = render_page("comparison.html.jinja", **VALUES)

    assert "<title>&lt;b&gt;mine&lt;/b&gt;</title>" in page
    assert '<p class="note">none &amp; nothing</p>' in page


def test_a_page_begins_as_a_page_does():
    """With its type, its language and its letters; every part that its navigation names is there."""
    page = render_page("comparison.html.jinja", **VALUES)

    assert page.lstrip().startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')
    assert set(re.findall(r'href="#(.*?)"', page)) == set(re.findall(r'<h2 id="(.*?)"', page))


def test_a_value_that_is_not_given_is_a_defect():
    """It does not pass for empty."""
    with pytest.raises(UndefinedError, match="table"):
        render_page("comparison.html.jinja", **{name: value for name, value in VALUES.items() if name != "table"})
