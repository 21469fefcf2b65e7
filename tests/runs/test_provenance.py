"""A run records its user, and the commits of this program and of the user's own project."""

import getpass
import re
import subprocess

import pytest

from gym.runs import provenance
from gym.runs.provenance import environment_tags, git_commit, user_name
from tests.conftest import ROOT

OURS = '[project]\nname = "segsweep"\n'


@pytest.fixture(autouse=True)
def _identity(monkeypatch, tmp_path):
    """An identity for commits, and no settings of git from outside."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "me")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "me@localhost")


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder, *, project=OURS, package="gym"):
    """Commit a package and a project file to a new repository; return the commit."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(project)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_is_that_of_our_checkout(tmp_path):
    """Uncommitted changes are marked."""
    first = commit(tmp_path / "a")
    assert git_commit(tmp_path / "a") == first
    (tmp_path / "a" / "gym" / "__init__.py").write_text("changed")
    assert git_commit(tmp_path / "a") == f"{first}-dirty"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|none", git_commit(ROOT))


@pytest.mark.parametrize("place", ["", "venv/lib/python3.11/site-packages", "vendor"])
def test_the_commit_of_a_surrounding_repository_is_not_ours(tmp_path, place):
    """The package may be installed in a user's project, tracked by git or not."""
    commit(tmp_path / "mine", project='[project]\nname = "mine"\n', package=f"{place}/gym".lstrip("/"))

    assert git_commit(tmp_path / "mine" / place) == "none"


def test_an_untracked_copy_has_no_commit(tmp_path):
    """A copy of our checkout within another project is not at the commit of that project."""
    commit(tmp_path / "mine", package="other")
    (tmp_path / "mine" / "gym").mkdir()
    (tmp_path / "mine" / "gym" / "__init__.py").write_text("")

    assert git_commit(tmp_path / "mine") == "none"


def test_without_git_there_is_no_commit(monkeypatch, tmp_path):
    """Nor is one logged under MLflow's own name."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert git_commit(ROOT) == "none"
    assert environment_tags()["git_commit"] == "none"
    assert not {"mlflow.source.git.commit", "project_commit"} & environment_tags().keys()


def test_the_users_project_has_its_own_tag(monkeypatch, tmp_path):
    """It is the repository around the current folder, also within a hook of git."""
    first = commit(tmp_path / "mine", project="")
    (tmp_path / "mine" / "scripts").mkdir()
    monkeypatch.chdir(tmp_path / "mine" / "scripts")
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))

    assert environment_tags()["project_commit"] == first


def test_our_own_checkout_is_no_project_of_the_user(monkeypatch):
    """Its commit is logged already."""
    monkeypatch.chdir(ROOT / "docs")

    assert "project_commit" not in environment_tags()


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 12345"), OSError("no username")])
def test_a_user_id_without_a_name_is_logged_as_a_number(monkeypatch, error):
    """Containers often run under such an id."""

    def unknown():
        raise error

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr(provenance.os, "getuid", lambda: 12345)

    assert user_name() == "user 12345"
