"""Where a run was made: user, machine, package versions, and the commits of this program and of the user's project."""

import getpass
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("segsweep", "tensorflow", "keras", "numpy", "mlflow", "hydra-core", "scikit-image")
_CHECKOUT = Path(__file__).parents[2]


def environment_tags() -> dict[str, str]:
    """Describe the environment of a run in MLflow tags.

    ``git_commit`` is the commit of this program, ``none`` if it does not run from its own checkout. ``project_commit``
    is that of the repository around the current folder, and is left out if that is the same one, or none.
    """
    commit, project = git_commit(_CHECKOUT), _find_repository(Path())
    own = {} if commit == "none" else {"mlflow.source.git.commit": commit.removesuffix("-dirty")}
    is_other = project is not None and project != _CHECKOUT.resolve()
    return {
        "mlflow.user": user_name(),
        "mlflow.source.name": "gym.train",
        "mlflow.source.type": "LOCAL",
        **own,
        "git_commit": commit,
        **({"project_commit": _describe_commit(project)} if project and is_other else {}),
        "machine": f"{platform.node()} {platform.machine()} {os.cpu_count()} cores {platform.system()}",
        "version.python": platform.python_version(),
        **{f"version.{name}": metadata.version(name) for name in PACKAGES},
    }


def user_name() -> str:
    """Return the user's name, or a number for a user without an entry in the password database, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Python before 3.13 raises the first
        return f"user {os.getuid()}"


def git_commit(checkout: Path) -> str:
    """Return the commit of this program's checkout, with ``-dirty`` for uncommitted changes.

    Args:
        checkout: The folder that holds the package ``gym``.

    Returns:
        The commit; ``none`` outside a checkout, also if the package lies in the repository of another project.
    """
    package = checkout / "gym" / "__init__.py"
    is_own = _is_this_project(checkout / "pyproject.toml") and _find_repository(checkout) == checkout.resolve()
    return _describe_commit(checkout) if is_own and _git(checkout, "ls-files", str(package.resolve())) else "none"


def _is_this_project(path: Path) -> bool:
    try:
        return 'name = "segsweep"' in path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False


def _find_repository(folder: Path) -> Path | None:
    top = _git(folder, "rev-parse", "--show-toplevel")
    return Path(top).resolve() if top else None


def _describe_commit(folder: Path) -> str:
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or "none"


def _git(folder: Path, *arguments: str) -> str:
    """Return the output of git in a folder; empty if git fails or is missing."""
    # A hook of git sets GIT_DIR, which would name another repository than that of the folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - arguments of ours
            ["git", *arguments],  # noqa: S607 - the git of the user
            cwd=folder,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
