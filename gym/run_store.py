"""Find the store that a run was trained on.

MLflow takes seconds to import: this module is imported only by what looks up a run.
"""

from contextlib import suppress
from pathlib import Path

from mlflow.entities import Run

from gym.data.build import store_folder
from gym.data.store import Store
from gym.errors import DataError


def find_store(outputs: Path, run: Run) -> Store:
    """Open the store that a run was trained on.

    A run has logged the fingerprint of what its store holds, and the folder is named by that of what the store was to
    be made from: another one where a scene could not be prepared. So the manifests say which store it is, and runs of
    any age find theirs.

    Args:
        outputs: Folder of the stores.
        run: The run.

    Raises:
        DataError: It is gone or damaged.
    """
    kind, wanted = run.data.params.get("data.kind", ""), run.data.tags.get("data_fingerprint", "")
    named = store_folder(outputs, kind, wanted)
    if named.is_dir() and (store := Store(named)).manifest.fingerprint == wanted:
        return store
    for path in sorted(named.parent.glob(f"{kind}-*/manifest.json")):
        with suppress(DataError):  # a damaged one may be of any data
            if (store := Store(path.parent)).manifest.fingerprint == wanted:
                return store
    raise DataError(f"the data of {run.info.run_name} are gone: no store in {named.parent} has what it was trained on.")
