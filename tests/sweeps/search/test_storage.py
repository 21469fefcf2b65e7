"""The database of a search is opened or rejected with one line that never shows a password."""

import sqlite3

import pytest

from gym.core.errors import ConfigError, RunError
from gym.sweeps.search.storage import default_url, open_storage, translate_storage_errors


def test_the_default_database_is_in_the_folder_of_the_sweep(tmp_path):
    """Folders are created, and braces and percent signs in names are allowed."""
    folder = tmp_path / "a {search} of 100%"
    storage = open_storage(default_url(folder))

    assert storage.get_all_studies() == []
    assert (folder / "search.db").is_file()
    assert open_storage(default_url(folder), is_ready=True).get_all_studies() == []


@pytest.mark.parametrize("url", ["nonsense", "nonsense://me:secret@", "outputs/search.db"])
def test_an_invalid_url_is_rejected(url):
    """The error suggests a valid URL and does not show the password."""
    with pytest.raises(
        (ConfigError, RunError),
        match=r"(is not a database URL; use one such as sqlite:|cannot be opened \(.*\); check search\.)",
    ) as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite+pysqlite://"])
def test_a_database_in_memory_is_rejected(url):
    """A search in memory cannot be resumed."""
    with pytest.raises(
        ConfigError,
        match=r"is in memory, so the search could not be resumed; use a file, as in sqlite:///search\.db\.$",
    ):
        open_storage(url)


def test_a_file_that_is_not_a_database_is_rejected(tmp_path):
    """The file is not changed."""
    (tmp_path / "search.db").write_text("something else, and long enough to be no empty file\n" * 20)

    with pytest.raises(RunError, match=r"^the search database sqlite:.* cannot be opened \(.*not a database.*\); ch"):
        open_storage(f"sqlite:///{tmp_path}/search.db")
    assert (tmp_path / "search.db").read_text().startswith("something else")


def test_a_missing_driver_is_an_error():
    """The error does not show the password."""
    with pytest.raises(RunError, match=r"^the search database oracle://\*\*\*@host/db cannot be opened \(.*\); check"):
        open_storage("oracle://me:secret@host/db")


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path):
    """A file is in its place."""
    (tmp_path / "file").write_text("")

    with pytest.raises(RunError, match=r"cannot be opened \(.*\); check search\.storage\.$"):
        open_storage(f"sqlite:///{tmp_path}/file/search.db")


def test_a_worker_does_not_create_tables(tmp_path):
    """It reports the missing tables."""
    sqlite3.connect(tmp_path / "search.db").close()

    with pytest.raises(RunError, match=r"cannot be opened \(.*no such table.*\); check search\.storage\.$"):
        open_storage(f"sqlite:///{tmp_path}/search.db", is_ready=True)


def test_later_database_errors_name_the_search(tmp_path):
    """The reason is included, in one line."""
    storage = open_storage(default_url(tmp_path))
    with sqlite3.connect(tmp_path / "search.db") as connection:
        connection.execute("DROP TABLE studies")
    connection.close()

    with (
        pytest.raises(
            RunError, match=r"^the database of search x cannot be used \(.*no such table: .*\); check it and"
        ),
        translate_storage_errors("x"),
    ):
        storage.get_all_studies()
