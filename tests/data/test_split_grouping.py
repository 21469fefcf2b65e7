"""Tests of grouping: the scene, site and date of a pair come from a table, from its name, or from defaults."""

import pytest

from gym.core.errors import DataError
from gym.data.split import Grouping, match_group, read_group_table

NAME = "duck_2014-01-04-15-36-14_L8"


def write(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_by_default_a_pair_is_its_own_scene_at_one_site():
    """The date stays unknown."""
    assert Grouping().groups_of(NAME) == {"scene": NAME, "site": "all"}


def test_the_first_parenthesis_of_a_pattern_is_the_group():
    """An empty pattern is the same as none."""
    grouping = Grouping({"scene": "^(.+?)_L8", "site": "^([a-z]+)_", "date": r"(\d{4}-\d\d-\d\d)"})
    assert grouping.groups_of(NAME) == {"scene": "duck_2014-01-04-15-36-14", "site": "duck", "date": "2014-01-04"}
    assert Grouping({"scene": "", "site": "", "date": ""}).groups_of(NAME) == Grouping().groups_of(NAME)


@pytest.mark.parametrize("pattern", ["^([0-9]+)", "(x)?duck", "duck()"])
def test_a_pattern_that_does_not_match_is_rejected(pattern):
    """A parenthesis that matches nothing is rejected, too, because it would group unrelated pairs."""
    with pytest.raises(DataError, match=rf"{NAME} does not match data\.site_pattern=.*; correct the pattern\.$"):
        match_group(NAME, pattern, "site")


def test_a_table_takes_precedence_over_patterns_and_may_add_groups():
    """Each further column is a group, and an empty cell falls back to the pattern."""
    grouping = Grouping(
        {"site": "^([a-z]+)_", "date": r"(\d{4})"},
        {NAME: {"site": "Duck, NC", "tide": "low"}, "x_2020": {"tide": "high"}},
    )

    assert grouping.groups_of(NAME) == {"scene": NAME, "site": "Duck, NC", "date": "2014", "tide": "low"}
    assert grouping.groups_of("x_2020") == {"scene": "x_2020", "site": "x", "date": "2020", "tide": "high"}


def test_a_pair_missing_from_the_table_is_rejected():
    """A table must list every pair."""
    with pytest.raises(DataError, match=r"^shore has no row in data\.table; add one\.$"):
        Grouping(table={"dune": {}}).groups_of("shore")


def test_rows_that_match_no_pair_are_listed():
    """They keep the order of the table; most are misspelled names."""
    grouping = Grouping(table={"shroe": {}, "dune": {}, "beach": {}})

    assert grouping.find_unmatched(["dune", "shore"]) == ["shroe", "beach"]
    assert grouping.find_unmatched(iter(["beach", "dune", "shroe"])) == []
    assert Grouping().find_unmatched(["dune"]) == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_may_come_from_a_spreadsheet(tmp_path, mark):
    """Byte order marks, blanks, quotes, short and long rows, file endings and empty cells are accepted."""
    path = write(
        tmp_path,
        f'{mark}site, name ,tide\r\n"Duck, NC", a.PNG , low \r\n,b.tif,   \r\nCafé,c\r\nx,d.v2.npz,high,extra\r\n',
    )

    assert read_group_table(path) == {
        "a": {"site": "Duck, NC", "tide": "low"},
        "b": {},
        "c": {"site": "Café"},
        "d.v2": {"site": "x", "tide": "high"},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("site,scene\nx,y\n", ", line 2: data.table needs a value in the column name of every row; add it"),
        ("name,site\na,x\n,y\n", ", line 3: data.table needs a value in the column name"),
        ("name,site\na,x\na.png,y\n", ", line 3: a already has a row; keep one"),
        (b"name,site\n\xff\xfe,x\n", r" cannot be read as CSV in UTF-8 \(.*\); check data\.table"),
    ],
)
def test_a_malformed_table_is_rejected(tmp_path, text, message):
    """The error states the file, the line and the rule."""
    with pytest.raises(DataError, match=rf"table\.csv{message}"):
        read_group_table(write(tmp_path, text))


def test_a_missing_table_is_rejected(tmp_path):
    """The error states its path."""
    with pytest.raises(
        DataError, match=r"nowhere\.csv cannot be read as CSV in UTF-8 \(.*No such file.*\); check data\.table"
    ):
        read_group_table(tmp_path / "nowhere.csv")


def test_an_empty_table_is_ignored(tmp_path):
    """Pairs need no row in it."""
    assert read_group_table(write(tmp_path, "")) == {}
    assert Grouping(table={}).groups_of("a") == {"scene": "a", "site": "all"}
