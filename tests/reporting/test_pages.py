"""Pages combine a template with escaped values."""

import re

import pytest
from jinja2 import UndefinedError

from gym.reporting.page_tables import PageTable
from gym.reporting.pages import render_page
from gym.reporting.recommendation import Recommendation

VALUES = {
    "title": "<b>mine</b>",
    "recommendation": Recommendation("none & nothing"),
    "equal_models": "",
    "table": PageTable([], []),
    "pictures": {"figure4": "a", "pareto": "b", "stopping_epochs": "c"},
}


def test_values_are_escaped():
    """The head, the body and the parts that pages share are all escaped."""
    page = render_page("comparison", **VALUES)

    assert "<title>&lt;b&gt;mine&lt;/b&gt;</title>" in page
    assert '<p class="note">none &amp; nothing</p>' in page


def test_a_page_declares_its_type_language_and_encoding():
    """The navigation leads to every heading and nowhere else."""
    page = render_page("comparison", **VALUES)

    assert page.lstrip().startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')
    assert set(re.findall(r'href="#(.*?)"', page)) == set(re.findall(r'<h2 id="(.*?)"', page))


def test_a_missing_value_is_an_error():
    """It is not shown as empty text."""
    with pytest.raises(UndefinedError, match="table"):
        render_page("comparison", **{name: value for name, value in VALUES.items() if name != "table"})
