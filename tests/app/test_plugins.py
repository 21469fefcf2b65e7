"""A plugin with an architecture and a score works in sweeps, figures, evaluation, prediction and model archives."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from gym.app.train import run_experiment
from gym.config.plugins import load_plugins, unload_plugin
from gym.config.registries import SCORES
from gym.config.schema import Config
from gym.core.errors import ConfigError, RunError
from gym.core.files import hash_file
from gym.evaluation.confusion import check_plugin_scores, score_matrix
from gym.reporting.figure4 import draw_figure4
from gym.reporting.figure4_interactive import figure4_html
from gym.runs.model_source import ModelSource
from gym.runs.result import find_result
from gym.runs.spec import plan_run
from gym.sweeps.search.study import read_directions
from gym.sweeps.sweep_folder import SweepFolder
from tests.app.commands import ROOT, run_here
from tests.plugin_files import TOY
from tests.sweeps.commands import runs_of
from tests.tiers import guard

TINY = (
    *("data.size=32", "data.scenes=8", "data.sites=2", "model.levels=1", "model.kernel=3", "filters=2"),
    *("training.epochs=1", "training.batch=2", "training.precision=float32"),
)
SWEEP = ("-m", *TINY, "model.name=toy,unet", "sweep.name=plug")


def train_in_new_process(folder, *arguments, **environment):
    """Train in a new process, started in the folder of the plugin as by a user."""
    command = [sys.executable, "-m", "gym.train", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, timeout=900, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the plugin, and with a sweep of two runs that two workers trained."""
    path = tmp_path_factory.mktemp("plugged")
    (path / "toy.py").write_text(TOY, encoding="utf-8")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    with guard.opened():
        done = train_in_new_process(path, *SWEEP, *launcher, "plugins=toy")
    assert done.returncode == 0, done.stdout + done.stderr
    (path / "output.txt").write_text(done.stdout, encoding="utf-8")
    return path


@pytest.fixture
def here(folder, monkeypatch):
    """Change to that folder, and unload the plugin afterwards."""
    monkeypatch.chdir(folder)
    yield folder
    unload_plugin("toy")
    sys.path[:] = [path for path in sys.path if path != str(folder)]


@pytest.fixture
def results(here):
    """The results of both runs, that of the plugin's architecture first."""
    sweep = SweepFolder(here / "outputs", "plug")
    return [find_result(sweep.run_folder(job.fingerprint)) for job in sweep.ledger.jobs()]


@pytest.mark.process
@pytest.mark.trains
def test_workers_use_the_plugin(here, results):
    """Both runs have its score, and their files and MLflow tags record its hash."""
    digest = hash_file(here / "toy.py")
    (comparison,) = (here / "outputs").rglob("comparison.csv")
    rows = list(csv.DictReader(comparison.read_text(encoding="utf-8").splitlines()))

    assert [result.settings["model.name"] for result in results] == ["toy", "unet"]
    for result, row in zip(results, rows, strict=True):
        rate = result.scores["hit_rate"]
        assert rate == pytest.approx(result.scores["overall_accuracy"])
        assert float(row["hit_rate"]) == rate
        assert result.settings["plugins"] == ["toy"]
    for path in (here / "outputs/sweeps/plug/runs").glob("*/plugins.json"):
        assert json.loads(path.read_text())["plugins"] == {"toy": digest}
    assert json.loads((here / "outputs/sweeps/plug/sweep.json").read_text())["plugins"] == {"toy": digest}
    children = [run for run in runs_of(here / "outputs") if "job" in run.data.tags]
    assert [run.data.tags["plugin.toy"] for run in children] == [digest] * 2
    assert "hit rate 0." in (here / "output.txt").read_text()


@pytest.mark.process
@pytest.mark.trains
def test_figure_4_shows_architecture_and_score_of_the_plugin(here, results):
    """Both versions of the figure have the style of the architecture and a row of panels for the score."""
    load_plugins(["toy"])

    figure = draw_figure4(results)
    page = figure4_html(results)

    panels = figure.axes
    assert [axes.get_ylabel() for axes in panels] == ["mean IoU", "KLD", "hit rate"]
    lines = {line.get_label(): line for line in panels[2].get_lines()}
    assert lines.keys() == {"Toy net", "UNet"}
    assert (lines["Toy net"].get_marker(), lines["Toy net"].get_color()) == ("P", "#009e73")
    np.testing.assert_allclose(lines["Toy net"].get_ydata(), [results[0].scores["hit_rate"]])
    assert len(panels[2].collections) == 2  # its standard error over scenes, from the confusion matrices
    assert '"symbol":"cross"' in page
    assert "hit rate" in page


def needs_plugin(done, owner, folder):
    """Whether a command was refused because of the missing plugin, with the override to add."""
    digest = hash_file(folder / "toy.py")[:12]
    line = (
        f"error: {owner} was made with a plugin that is not loaded (toy {digest}); add plugins=toy, "
        "or call gym.load_plugins(['toy']) in Python.\n"
    )
    return (done.code, done.err) == (1, line)


@pytest.mark.process
@pytest.mark.trains
def test_evaluate_computes_the_score_of_the_plugin(here):
    """Without the plugin, the command is refused, and the module is not imported."""
    arguments = ("evaluate", "run=toy cce f2", "side=all", "baselines=false", "output=evaluated")

    assert needs_plugin(run_here(*arguments), "run=toy cce f2", here)
    assert "toy" not in sys.modules
    done = run_here(*arguments, "plugins=toy")
    assert done.code == 0, done.err
    overall = json.loads((here / "evaluated/evaluation.json").read_text())["overall"]
    assert overall["hit_rate"] == pytest.approx(overall["overall_accuracy"])
    assert "hit_rate" in (here / "evaluated/images.csv").read_text()


@pytest.mark.process
@pytest.mark.trains
def test_predict_and_publish_need_the_plugin(here, tmp_path, monkeypatch):
    """The archive records which plugin it needs, and GYM_PLUGINS can load it, too."""
    bands = []
    for band in range(5):
        (tmp_path / str(band)).mkdir()
        Image.fromarray(np.full((32, 32), 40 * band, np.uint8)).save(tmp_path / str(band) / "one.png")
        bands.append(str(tmp_path / str(band)))
    images = (f"input=[{','.join(bands)}]", f"output={tmp_path / 'labels'}")
    archive = tmp_path / "toy.zip"
    publish = ("publish", "run=toy cce f2", f"output={archive}")

    assert needs_plugin(run_here(*publish), "run=toy cce f2", here)
    done = run_here(*publish, "plugins=[toy]")
    assert done.code == 0, done.err
    assert "input=IMAGES output=LABELS plugins=toy" in " ".join(done.out.split())
    unload_plugin("toy")
    assert needs_plugin(run_here("predict", f"run={archive}", *images), f"run={archive}", here)
    assert "toy" not in sys.modules
    monkeypatch.setenv("GYM_PLUGINS", "toy")
    done = run_here("predict", f"run={archive}", *images)
    assert done.code == 0, done.err
    assert np.asarray(Image.open(tmp_path / "labels/one.png")).shape == (32, 32)


def test_an_archive_imports_no_module_that_it_names(tmp_path):
    """Its configuration may name any module, but only the command line loads plugins."""
    (tmp_path / "sneaky.py").write_text("raise SystemExit('imported')\n")
    config = OmegaConf.to_container(OmegaConf.structured(Config)) | {"plugins": ["sneaky"]}
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(config)))
    source = ModelSource("someone's", "a.zip", tmp_path, "")

    with pytest.raises(
        RunError,
        match=r"^run=someone's was made with a plugin that is not loaded \(sneaky\); add plugins=sneaky, or call",
    ):
        source.read_config()
    assert "sneaky" not in sys.modules


@pytest.mark.process
@pytest.mark.trains
def test_report_shows_architecture_and_score_of_the_plugin(here):
    """Without the plugin, the error says how to load it."""
    arguments = ("report", "sweep=plug", "output=reported")

    assert needs_plugin(run_here(*arguments), "sweep=plug", here)
    done = run_here(*arguments, "plugins=[toy]")
    assert done.code == 0, done.err
    page = (here / "reported/report.html").read_text(encoding="utf-8")
    assert "Toy net" in page
    assert "hit rate" in page
    assert "plugins=[toy]" in page.replace("&#39;", "")


@pytest.mark.process
@pytest.mark.trains
def test_a_sweep_resumes_only_with_the_same_plugin(here):
    """A changed or missing plugin is refused; with the same one, nothing is left to do."""
    original = (here / "toy.py").read_text(encoding="utf-8")
    try:
        (here / "toy.py").write_text(f"{original}\n# changed\n", encoding="utf-8")
        changed = run_here("train", *SWEEP, "plugins=[toy]")
        unload_plugin("toy")
        missing = run_here("train", *SWEEP)
        other = run_here("train", "-m", *TINY, "model.name=unet", "sweep.name=plug")
    finally:
        (here / "toy.py").write_text(original, encoding="utf-8")
    before = (here / "outputs/sweeps/plug/ledger.jsonl").read_bytes()
    same = run_here("train", *SWEEP, "plugins=[toy]")

    assert changed.code == missing.code == other.code == 1
    assert changed.err.startswith(
        f"error: plugin toy changed since sweep plug began (SHA-256 {hash_file(here / 'toy.py')[:12]}"
    )
    assert "restore its file to resume the sweep, or choose another sweep.name." in changed.err
    assert "model.name=toy must be one of unet, resunet" in missing.err
    assert other.err == "error: sweep.name=plug contains runs with the plugin toy; add plugins=toy.\n"
    assert same.code == 0, same.err
    assert (here / "outputs/sweeps/plug/ledger.jsonl").read_bytes() == before


READER = '''
import hashlib

import gym

gym.register_reader("striped", "stripes:Striped", classes=["dark", "light"], bands=["grey"], uses=["scenes"])


class Striped:
    """Scenes of two stripes."""

    def __init__(self, config, hashes, downloads):
        self.names = [f"scene{number}" for number in range(config.scenes)]
        self.bands, self.description = ["grey"], "striped scenes"
        self.left_out, self.skipped = {}, {}

    def sources(self, name):
        return {name: hashlib.sha256(name.encode()).hexdigest()}

    def read(self, name):
        import numpy as np

        from gym.data.readers.base import RawScene

        label = np.zeros((32, 32), np.uint8)
        label[:, 16:] = 1
        image = (100 * label[..., None] + np.arange(32)[:, None, None] + int(name[5:])).astype(np.uint8)
        return RawScene(image, label, None)
'''


@pytest.mark.trains
def test_loss_and_reader_of_plugins_are_used_in_training(configure, write_plugin, tmp_path, blank_pictures):
    """Options of loss and architecture are applied, and the fingerprint of the run covers both plugins."""
    write_plugin("toy", TOY)
    write_plugin("stripes", READER)
    overrides = [
        *(one for one in TINY if not one.startswith("data.")),
        *("plugins=[toy,stripes]", "data.kind=striped", "data.scenes=8", "data.size=32", "loss.name=scaled"),
    ]
    config = configure(*overrides, "model.name=toy", "model.options={blocks:2}")
    plain = configure(*overrides, "model.name=toy", "model.options={blocks:2}", "loss.name=cce", "seed=42")

    spec, other = plan_run(config, tmp_path / "runs"), plan_run(plain, tmp_path / "runs")
    result = run_experiment(config)

    assert spec.dataset.folder.name.startswith("striped-")
    assert result.classes == ["dark", "light"]
    assert result.settings["loss.options.factor"] == 2.0
    assert result.fingerprint == spec.fingerprint != spec.unversioned != other.unversioned
    assert set(spec.tags) >= {"plugin.toy", "plugin.stripes"}
    assert result.scores["loss"] == pytest.approx(2 * result.scores["kld"], rel=1e-4)


@pytest.mark.trains
def test_an_interrupted_run_restarts_if_its_plugin_has_changed(
    configure, write_plugin, tmp_path, caplog, blank_pictures
):
    """The log gives the reason, and the first attempt keeps its folder."""
    path = write_plugin("toy", TOY)
    overrides = (*TINY, "plugins=[toy]", "model.name=toy")
    spec = plan_run(configure(*overrides), tmp_path / "runs")
    before = spec.plugins
    spec.folder.mkdir(parents=True)
    (spec.folder / "attempt.json").write_text('{"attempt": "first"}')
    (spec.folder / "plugins.json").write_text(json.dumps({"plugins": before, "unversioned": spec.unversioned}))
    unload_plugin("toy")
    path.write_text(f"{TOY}\n# changed\n")

    result = run_experiment(configure(*overrides))

    now = hash_file(path)[:12]
    assert result.fingerprint != spec.fingerprint
    assert (
        f"a plugin changed after this run was interrupted (toy {before['toy'][:12]}, now {now}); restore its "
        "file to resume the run, which now starts again" in caplog.messages
    )
    assert (spec.folder / "attempt.json").exists()


WRONG = "gym.register_score('wrong', 'faulty:wrong')\n"
# It is fine on the small matrices that are tried before training, and fails on those of real images.
FRAGILE = """
import gym
import numpy as np

gym.register_score("fragile", "fragile:mean", by_class="fragile:each", places=["run", "evaluation", "table"])


def mean(matrix):
    if matrix.sum() > 1000:
        {failure}
    return matrix.sum(axis=(-2, -1))


def each(matrix):
    if matrix.sum() > 1000:
        {failure}
    return matrix.sum(axis=-1)
"""


@pytest.mark.trains
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("return 1 / 0", "fails for matrices of shape (4, 4) (ZeroDivisionError: division by zero)"),
        ("raise SystemExit('bye')", "fails for matrices of shape (4, 4) (SystemExit: bye)"),
        ("return 'high'", "must return real numbers of shape () for matrices of shape (4, 4), but its result is <U4"),
    ],
)
def test_a_score_that_fails_after_training_loses_nothing(
    configure, write_plugin, tmp_path, monkeypatch, caplog, blank_pictures, failure, reason
):
    """The run keeps its other scores, and the corrected plugin scores it without training it again."""
    path = write_plugin("fragile", FRAGILE.format(failure=failure))
    load_plugins("fragile")

    result = run_experiment(configure(*TINY, "plugins=[fragile]", "name=kept"))

    unload_plugin("fragile")
    path.write_text(FRAGILE.format(failure="pass"), encoding="utf-8")
    evaluate = ("evaluate", "run=kept", "plugins=fragile", f"outputs={tmp_path}", "baselines=false", "side=all")
    done = run_here(*evaluate, f"output={tmp_path / 'evaluated'}")
    assert "fragile" not in result.scores
    assert 0 < result.scores["iou"] < 1
    warnings = [message for message in caplog.messages if f"score fragile of plugin fragile {reason}" in message]
    assert warnings, caplog.messages
    assert all(
        message.endswith("Until then the score is left out; gym.evaluate computes it for runs that lack it.")
        for message in warnings
    )
    assert len(warnings) == len(set(warnings))
    assert done.code == 0, done.err
    overall = json.loads((tmp_path / "evaluated/evaluation.json").read_text())["overall"]
    assert 7000 < overall["fragile"][0] <= 8 * 32 * 32  # its labelled pixels


@pytest.mark.parametrize(
    ("body", "message"),
    {
        "return matrix.sum()": r"^score wrong of plugin faulty must return real numbers of shape \(3,\) for matrices "
        r"of shape \(3, 2, 2\), but its result is int64 of shape \(\); correct faulty:wrong, which may sum over the "
        r"last axes only\.$",
        "return np.full(matrix.shape[:-2], 'high')": r"its result is <U4 of shape \(3,\); correct",
        "return np.full(matrix.shape[:-2], 1j)": r"its result is complex128 of shape \(3,\); correct",
        "return np.array([np.trace(one) for one in matrix])": r"fails for matrices of shape \(2, 2\) \(ValueError: ",
        "matrix[..., 0, :] = 0; return matrix.sum((-2, -1))": r"\(ValueError: assignment destination is read-only\)",
        "raise SystemExit(0)": r"fails for matrices of shape \(3, 2, 2\) \(SystemExit: 0\); correct faulty:wrong\.$",
        "return matrix.no_such": r"^score wrong of plugin faulty fails for matrices of shape \(3, 2, 2\) "
        r"\(AttributeError: .*\); correct faulty:wrong\.$",
    }.items(),
)
def test_scores_of_plugins_are_checked_before_training(write_plugin, body, message):
    """Otherwise, an error would appear only after hours of training."""
    write_plugin("faulty", f"import gym, numpy as np\n{WRONG}def wrong(matrix):\n    {body}\n")
    load_plugins(["faulty"])

    with pytest.raises(ConfigError, match=message):
        check_plugin_scores(classes=2)


@pytest.mark.parametrize("kind", ["int64", "float32", "bool", "uint8"])
def test_scores_of_plugins_become_floats(write_plugin, kind):
    """A result is written as JSON, which knows no NumPy types, and intervals need differences."""
    body = f"return np.trace(matrix, axis1=-2, axis2=-1).astype('{kind}')"
    write_plugin("faulty", f"import gym, numpy as np\n{WRONG}def wrong(matrix):\n    {body}\n")
    load_plugins(["faulty"])

    score = score_matrix(SCORES.get("wrong"), np.eye(2, dtype=np.int64)[None])

    assert (score.dtype, score.tolist()) == (np.float64, [1.0 if kind == "bool" else 2.0])
    assert json.dumps(score_matrix(SCORES.get("wrong"), np.eye(2, dtype=np.int64))) in ("1.0", "2.0")


def test_a_search_optimises_the_score_of_a_plugin(write_plugin):
    """The score is registered with its direction."""
    write_plugin("toy", TOY)
    load_plugins(["toy"])

    assert read_directions(["hit_rate", "kld"]) == {"hit_rate": "maximize", "kld": "minimize"}
