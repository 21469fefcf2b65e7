"""The database of a search is opened or refused in one line, and no password is ever shown."""

import sqlite3

import pytest

from gym.core.errors import ConfigError, RunError
from gym.sweeps.search.storage import default_url, naming_storage_errors, open_storage


def test_the_default_is_a_file_of_the_search(tmp_path):
    """Without a URL a search is kept in its own folder, whatever its name; folders are made."""
    folder = tmp_path / "a {search} of 100%"
    storage = open_storage(default_url(folder))

    assert storage.get_all_studies() == []
    assert (folder / "search.db").is_file()
    assert open_storage(default_url(folder), is_ready=True).get_all_studies() == []


@pytest.mark.parametrize("url", ["nonsense", "nonsense://me:secret@", "outputs/search.db"])
def test_no_url(url):
    """What is no URL of a database is refused."""
    with pytest.raises(
        (ConfigError, RunError),
        match=r"(is no database; give a URL as in sqlite:|cannot be used \(.*\); mend search\.)",
    ) as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_memory_is_no_place(url):
    """What ends with the process cannot be gone on with."""
    with pytest.raises(ConfigError, match=r"ends with the process; name a file as in sqlite:///search\.db\.$"):
        open_storage(url)


def test_what_is_no_database(tmp_path):
    """A file that is something else is refused and left as it is."""
    (tmp_path / "search.db").write_text("something else, and long enough to be no empty file\n" * 20)

    with pytest.raises(RunError, match=r"^the search's database sqlite:.* cannot be used \(.*not a database.*\); mend"):
        open_storage(f"sqlite:///{tmp_path}/search.db")
    assert (tmp_path / "search.db").read_text().startswith("something else")


def test_a_driver_that_is_not_installed():
    """A database whose driver is missing is refused, without its password."""
    with pytest.raises(RunError, match=r"^the search's database oracle://\*\*\*@host/db cannot be used \(.*\); mend"):
        open_storage("oracle://me:secret@host/db")


def test_a_folder_that_cannot_be_made(tmp_path):
    """A place that cannot be is refused."""
    (tmp_path / "file").write_text("")

    with pytest.raises(RunError, match=r"cannot be used \(.*\); mend search\.storage\.$"):
        open_storage(f"sqlite:///{tmp_path}/file/search.db")


def test_a_database_that_nobody_made(tmp_path):
    """A worker makes no tables: where the driver has not, it says so."""
    sqlite3.connect(tmp_path / "search.db").close()

    with pytest.raises(RunError, match=r"cannot be used \(.*no such table.*\); mend search\.storage\.$"):
        open_storage(f"sqlite:///{tmp_path}/search.db", is_ready=True)


def test_errors_in_the_middle(tmp_path):
    """What the database refuses later is told with its reason, in one line."""
    storage = open_storage(default_url(tmp_path))
    with sqlite3.connect(tmp_path / "search.db") as connection:
        connection.execute("DROP TABLE studies")
    connection.close()

    with (
        pytest.raises(RunError, match=r"^the database of search x cannot be used \(.*no such table: .*\); nothing fin"),
        naming_storage_errors("x"),
    ):
        storage.get_all_studies()
