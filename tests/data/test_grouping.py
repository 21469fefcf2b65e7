"""What a pair belongs to comes from a table, else from its name, else from nothing."""

import pytest

from gym.core.errors import DataError
from gym.data.split import Grouping, match_group, read_group_table

NAME = "duck_2014-01-04-15-36-14_L8"


def write(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_without_anything_a_pair_is_a_scene_of_one_site():
    """And no date is invented."""
    assert Grouping().groups_of(NAME) == {"scene": NAME, "site": "all"}


def test_patterns_take_their_first_group():
    """Of the name; an empty pattern is none."""
    grouping = Grouping({"scene": "^(.+?)_L8", "site": "^([a-z]+)_", "date": r"(\d{4}-\d\d-\d\d)"})
    assert grouping.groups_of(NAME) == {"scene": "duck_2014-01-04-15-36-14", "site": "duck", "date": "2014-01-04"}
    assert Grouping({"scene": "", "site": "", "date": ""}).groups_of(NAME) == Grouping().groups_of(NAME)


@pytest.mark.parametrize("pattern", ["^([0-9]+)", "(x)?duck", "duck()"])
def test_a_pattern_that_is_not_in_the_name_is_refused(pattern):
    """Or whose group takes nothing, which would put all such pairs together."""
    with pytest.raises(DataError, match=rf"{NAME} does not match data\.site_pattern=.*; mend the pattern\.$"):
        match_group(NAME, pattern, "site")


def test_a_table_goes_before_patterns_and_may_say_more():
    """A column of its own is a group too; an empty cell says nothing."""
    grouping = Grouping(
        {"site": "^([a-z]+)_", "date": r"(\d{4})"},
        {NAME: {"site": "Duck, NC", "tide": "low"}, "x_2020": {"tide": "high"}},
    )

    assert grouping.groups_of(NAME) == {"scene": NAME, "site": "Duck, NC", "date": "2014", "tide": "low"}
    assert grouping.groups_of("x_2020") == {"scene": "x_2020", "site": "x", "date": "2020", "tide": "high"}


def test_a_pair_that_a_table_lacks_is_refused():
    """Where there is a table, it is meant for every pair."""
    with pytest.raises(DataError, match=r"^shore has no row in data\.table; add one\.$"):
        Grouping(table={"dune": {}}).groups_of("shore")


def test_rows_that_fit_no_pair_are_listed():
    """In the table's order, as a mistyped name would be."""
    grouping = Grouping(table={"shroe": {}, "dune": {}, "beach": {}})

    assert grouping.find_unmatched(["dune", "shore"]) == ["shroe", "beach"]
    assert grouping.find_unmatched(iter(["beach", "dune", "shroe"])) == []
    assert Grouping().find_unmatched(["dune"]) == []


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_is_read_as_spreadsheets_write_it(tmp_path, mark):
    """With a mark of its encoding, blanks around cells, quotes, short and long rows, file endings, empty cells."""
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
        ("site,scene\nx,y\n", ", line 2: no name; data.table must have a column name, filled in each row"),
        ("name,site\na,x\n,y\n", ", line 3: no name"),
        ("name,site\na,x\na.png,y\n", ", line 3: a has a row already; keep one"),
        (b"name,site\n\xff\xfe,x\n", r" cannot be read as a CSV \(.*\); mend data\.table"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, message):
    """With the file, the line and the rule."""
    with pytest.raises(DataError, match=rf"table\.csv{message}"):
        read_group_table(write(tmp_path, text))


def test_a_table_that_is_not_there_is_refused(tmp_path):
    """By its path."""
    with pytest.raises(DataError, match=r"nowhere\.csv cannot be read as a CSV \(.*No such file.*\); mend data\.table"):
        read_group_table(tmp_path / "nowhere.csv")


def test_an_empty_table_is_no_table(tmp_path):
    """Nothing is asked of the pairs then."""
    assert read_group_table(write(tmp_path, "")) == {}
    assert Grouping(table={}).groups_of("a") == {"scene": "a", "site": "all"}
