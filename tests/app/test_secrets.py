"""A password or token, wherever it is given, is in no file that a run, a sweep, a search or an archive writes."""

import http.server
import io
import threading
import zipfile
from functools import partial

import numpy as np
import pytest

from gym.sweeps.sweep_folder import SweepFolder
from tests.app.commands import run_process
from tests.databases import copy_database

PLANTED = "pl4nted-Xy"
SETTINGS = (
    *("model=unet", "filters=2", "training.epochs=1", "training.precision=float32", "training.threads=1"),
    *("data=doodler", "data.size=32", "data.classes=[water,sand]", "split.test=0"),
)

pytestmark = [pytest.mark.trains, pytest.mark.process]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of one archive of imagery; its address."""
    folder = tmp_path_factory.mktemp("server")
    random = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "shots.zip", "w") as archive:
        for number in range(6):
            label = np.kron(random.integers(0, 2, (4, 4)), np.ones((8, 8), int))
            image = (random.integers(1, 99, (32, 32, 3)) + 100 * label[..., None]).astype(np.uint8)
            np.savez(stream := io.BytesIO(), image=image, label=np.eye(2)[label].astype(np.uint8))
            archive.writestr(f"shot{number}.npz", stream.getvalue())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def secret_arguments(server, outputs, secret):
    """Arguments with a secret in each place that may hold one. SQLite ignores the one that it is given."""
    database = f"sqlite:///{outputs}/mlflow.db?user={secret}&password={secret}%2F"
    signed = f"{server}/shots.zip?X-Amz-Credential={secret}%2F2020&X-Amz-Signature={secret}&sig={secret}&part=1"
    return f"tracking.uri='{database}'", f"data.archives=['{signed}']", f"outputs={outputs}"


def run(folder, *arguments, module="gym.train", **environment):
    """Run a command in a folder, and assert that it succeeds; return its output."""
    done, _ = run_process(*arguments, module=module, HOME=str(folder), XDG_CACHE_HOME=str(folder), **environment)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    assert PLANTED not in output
    return output


def files_with(folder, secret):
    return [str(path) for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


@pytest.mark.drill
def test_no_file_contains_a_secret(server, tmp_path):
    """It is given on the command line or in the environment; another one then resumes the same sweep."""
    outputs = tmp_path / "outputs"
    copy_database(f"sqlite:///{outputs}/mlflow.db")
    uri, archives, place = secret_arguments(server, outputs, PLANTED)
    run(tmp_path, *SETTINGS, uri, archives, place, "hydra.output_subdir=.hydra", f"hydra.run.dir={tmp_path}/hydra")
    sweep = ("-m", *SETTINGS, archives, place, "sweep.name=s", "hydra/launcher=submitit_local")
    run(
        tmp_path,
        *(*sweep, "seed=1,2", "hydra.output_subdir=.hydra", "tracking=server", "hydra.launcher.timeout_min=10"),
        MLFLOW_TRACKING_URI=uri.partition("=")[2].strip("'"),
    )
    storage = f"search.storage='sqlite:///{outputs}/search.db?user=me&password={PLANTED}'"
    search = ("-m", "hydra/sweeper=optuna", "search.trials=1", storage, "training.batch=2,4")
    run(tmp_path, *search, *SETTINGS, uri, archives, place)
    run(tmp_path, "run=best:s", uri, place, f"output={tmp_path}/m.zip", module="gym.publish")
    run(tmp_path, "sweep=s", uri, place, module="gym.report")

    assert {name.suffix for name in tmp_path.rglob("*") if name.is_file()} >= {".db", ".jsonl", ".yaml", ".zip", ".pkl"}
    assert files_with(tmp_path, PLANTED) == []
    before = SweepFolder(outputs, "s").ledger.jobs()

    again = secret_arguments(server, outputs, "renewed-Zq")
    run(tmp_path, "-m", *SETTINGS, *again, "sweep.name=s", "seed=1,2")
    assert SweepFolder(outputs, "s").ledger.jobs() == before
    assert len(list((outputs / "stores" / "downloads").glob("*.zip"))) == 1
    assert files_with(tmp_path, "renewed-Zq") == []
