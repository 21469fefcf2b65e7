"""List what an outputs folder holds and what nothing refers to, and remove the latter on request."""

import shlex
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout
from rich.table import Column, Table

from gym.app.inventory import RUNNING, Inventory, Item, describe_jobs, measure, title_of
from gym.config.schema import CleanConfig
from gym.core.errors import DataError, RunError, first_line
from gym.core.files import is_locked
from gym.core.text import format_size, plain_console, pluralize
from gym.runs.mlflow_client import RetryingClient, connect, has_database
from gym.runs.mlflow_inventory import LoggedRun, delete_run, list_logged_runs

# Kinds that are removed only if they are named.
_NOT_NAMED = {
    "interrupted": "the same command would resume it; what=[interrupted] removes it",
    "orphaned": "MLflow may have lost it; what=[orphaned] removes it",
}
_RUNS_KEPT = "some of its runs are kept"


def clean(config: CleanConfig) -> list[Item]:
    """List the contents of an outputs folder, and what of it can be removed; remove that if ``yes`` is set.

    Returns:
        What was removed, or would be.

    Raises:
        DataError: A file cannot be removed.
        RunError: There is no such run or sweep, or MLflow cannot be used.
    """
    outputs = Path(config.outputs)
    if not outputs.is_dir():
        raise RunError(f"outputs={config.outputs} is not a folder; give the folder that training wrote to.")
    client = connect(config.tracking, outputs) if has_database(config.tracking, outputs) else None
    inventory = Inventory(outputs, partial(list_logged_runs, client) if client else None, config.tracking.uri)
    items = _choose(config, inventory)
    removable = [item for item in items if not item.kept]
    console = plain_console()
    if not config.yes:
        console.print(_tabulate_contents(inventory))
    if client is None:
        console.print(
            f"{outputs} has no mlflow.db, so only temporary files and checkpoints are listed; set tracking.uri=... "
            "if its runs are logged elsewhere"
        )
    if items:
        console.print(_tabulate_items(items))
    if not removable:
        console.print("there is nothing to remove")
    elif not config.yes:
        total = format_size(measure([path for item in removable for path in item.paths]))
        console.print(f"nothing was removed; to free {total}, run: {_format_command(config)}")
    else:
        removable = _remove_all(removable, client)
    return removable


def _choose(config: CleanConfig, inventory: Inventory) -> list[Item]:
    """Return the items of the wanted kinds, of the wanted sweep or run."""
    found = inventory.find_unneeded()
    if not (config.sweep or config.run):
        if config.what:
            return [item for item in found if item.kind in config.what]
        return [one._replace(kept=one.kept or _NOT_NAMED.get(one.kind, "")) for one in found]
    chosen, kinds = _find_chosen(config, inventory), config.what or ["runs"]
    own = [item for item in found if item.kind in kinds and _belongs_to(item, config.sweep, chosen, inventory)]
    return own + (_list_runs(config.sweep, inventory, chosen) if "runs" in kinds else [])


def _find_chosen(config: CleanConfig, inventory: Inventory) -> list[LoggedRun]:
    runs = [run for run in inventory.logged or () if run.status != "DELETED"]
    if config.sweep:
        chosen = [run for run in runs if run.sweep == config.sweep and inventory.is_here(run)]
        if not chosen and config.sweep not in inventory.sweeps:
            known = sorted({run.sweep for run in runs if run.sweep} | set(inventory.sweeps))
            remedy = f"choose one of {', '.join(known)}" if known else "there is none"
            raise RunError(f"sweep={config.sweep} does not exist in outputs={config.outputs}; {remedy}.")
        return chosen
    chosen = [run for run in runs if config.run in (run.run_id, run.name)]
    if not chosen:
        raise RunError(f"run={config.run} does not exist in outputs={config.outputs}; python -m gym.clean lists them.")
    if len(chosen) > 1:
        ids = ", ".join(run.run_id for run in chosen)
        raise RunError(f"run={config.run} is the name of {len(chosen)} runs; give the id of one: {ids}.")
    return chosen


def _belongs_to(item: Item, sweep: str, chosen: Sequence[LoggedRun], inventory: Inventory) -> bool:
    """Whether an item belongs to a sweep, which may be empty, or to one of some runs."""
    places = [place for run in chosen for place in inventory.places_of(run)]
    places += [inventory.outputs / "sweeps" / sweep] if sweep else []
    return bool(sweep and item.sweep == sweep) or any(
        path.is_relative_to(place) for path in item.paths for place in places
    )


def _list_runs(sweep: str, inventory: Inventory, chosen: Sequence[LoggedRun]) -> list[Item]:
    """List runs to be removed completely, and at last the parent run and the folder of their sweep."""
    folder = inventory.outputs / "sweeps" / sweep
    lock = folder / ".lock"
    kept = {run.run_id: RUNNING if sweep and is_locked(lock) else inventory.protection(run) for run in chosen}
    of_parent = _RUNS_KEPT if any(kept.values()) else ""
    items = []
    for run in sorted(chosen, key=lambda run: run.is_parent):
        reason = kept[run.run_id] or (of_parent if run.is_parent else "")
        used, places = inventory.folder_of(run), inventory.places_of(run)
        locks = used.locks if used else ()
        items.append(Item("runs", title_of(run), run.status, places, (run.run_id,), locks, reason, run.sweep))
    if sweep and folder.is_dir():
        items.append(Item("runs", f"sweeps/{sweep}", "its folder", (folder,), (), (lock,), of_parent, sweep))
    return items


def _tabulate_contents(inventory: Inventory) -> Table:
    table = Table(Column("what"), Column("name"), Column("contents"), Column("size", justify="right"))
    outputs, counted = inventory.outputs, list[Path]()

    def add(kind: str, name: str, contents: str, paths: Sequence[Path]) -> None:
        counted.extend(paths)
        table.add_row(kind, name, contents, format_size(measure(paths)))

    logged = [run for run in inventory.logged or () if run.status != "DELETED"]
    for name in inventory.sweeps:
        artifacts = [inventory.artifacts(run.run_id) for run in logged if run.sweep == name]
        add("sweep", name, describe_jobs(inventory.jobs[name]), [outputs / "sweeps" / name, *artifacts])
    for run in logged:
        if run.sweep not in inventory.sweeps:
            version = f", models:/{run.version}" if run.version else ""
            add("run", title_of(run), f"{run.status}{version}", inventory.places_of(run))
    for path in inventory.datasets:
        uses = len(inventory.users(path))
        add("dataset", path.name, f"used by {pluralize(uses, 'run')}" if inventory.logged is not None else "", [path])
    for path in sorted(outputs.iterdir()):
        rest = max(0, measure([path]) - measure([one for one in counted if one.is_relative_to(path)]))
        if rest:
            table.add_row("other", path.name, "", format_size(rest))
    table.add_section()
    table.add_row("total", str(outputs), "", format_size(measure([outputs])))
    return table


def _tabulate_items(items: Sequence[Item]) -> Table:
    table = Table(Column("remove"), Column("name"), Column("why"), Column("size", justify="right"))
    for item in items:
        why = f"kept: {item.kept}" if item.kept else item.reason
        table.add_row(item.kind, item.name, why, format_size(measure(item.paths)))
    return table


def _format_command(config: CleanConfig) -> str:
    given = {"sweep": config.sweep, "run": config.run, "tracking.uri": config.tracking.uri}
    words = [f"{key}={value}" for key, value in given.items() if value]
    words += [f"what=[{','.join(config.what)}]"] if config.what else []
    words += [f"outputs={config.outputs}"] if config.outputs != CleanConfig.outputs else []
    return " ".join(["python -m gym.clean", *map(shlex.quote, words), "yes=true"])


def _remove_all(items: Sequence[Item], client: RetryingClient | None) -> list[Item]:
    removed, freed = [], 0
    for item in items:
        size = measure(item.paths)
        if _remove(item, client):
            removed.append(item)
            freed += size
        else:
            plain_console().print(f"kept {item.name}: {RUNNING}")
    plain_console().print(f"removed {pluralize(len(removed), 'item')}, {format_size(freed)}")
    return removed


def _remove(item: Item, client: RetryingClient | None) -> bool:
    """Remove an item unless a process uses it; in MLflow first, so that no run is left without its files."""
    with ExitStack() as held:
        for lock in item.locks:
            if not lock.is_file():
                continue
            try:
                held.enter_context(FileLock(lock).acquire(timeout=0))
            except Timeout:
                return False
        for run_id in item.runs:
            if client is not None:
                delete_run(client, run_id)
        try:
            for path in item.paths:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{item.name} cannot be removed ({first_line(error)}); check its permissions.") from error
    return True
