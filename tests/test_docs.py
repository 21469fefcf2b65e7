"""Every command in the documentation works, and every link leads to a file."""

import itertools
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
import rasterio
import yaml

from gym.config.groups import configuration_folder, group_names
from gym.config.plugins import load_plugins
from gym.config.registries import SCORES
from gym.config.schema import SearchConfig, SweepConfig, TrackingConfig
from gym.models.architectures import build_model
from gym.runs.mlflow_client import open_tracking
from tests.conftest import ROOT
from tests.databases import copy_database
from tests.warm_start import WarmProcess

PAGES = ("README.md", "docs/data.md", "docs/sweeps.md", "docs/evaluation.md")
README, DATA_PAGE, SWEEP_PAGE, EVALUATION_PAGE = ((ROOT / name).read_text(encoding="utf-8") for name in PAGES)
COMMANDS, DATA_COMMANDS, SWEEP_COMMANDS, EVALUATION_COMMANDS = (
    [line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    for page in (README, DATA_PAGE, SWEEP_PAGE, EVALUATION_PAGE)
)
SWEEP_COMMANDS += re.findall(r"^\| `(python .*?)` \|", SWEEP_PAGE, re.MULTILINE)
TINY = ["+debug=tiny", "model.levels=1", "model.kernel=3", "training.precision=float32", "training.epochs=1"]


def scale_down(command: str, folder: Path) -> list[str]:
    """Return a README command with little work, and with outputs and imagery in ``folder``."""
    words = [word.replace("my/", f"{folder}/my/") for word in shlex.split(command)]
    if words[0] == "python":
        words[0] = sys.executable
    if {"gym.predict", "gym.publish", "gym.evaluate", "gym.report"} & set(words):
        return [*words, f"outputs={folder}"]
    if "gym.make_dataset" in words:
        return [*(word for word in words if "data.size" not in word), "data.size=32", f"outputs={folder}"]
    tiny = [word for word in TINY if "debug" not in word] if "data=folder" in words else TINY
    small = ["data.size=32", "model.filters=2"] if "data=folder" in words else []
    if "-m" in words[3:]:  # only the first list is swept in full; tests/test_train.py sweeps several
        first = next(at for at, word in enumerate(words) if "," in word)
        words = [word if at <= first else word.split(",")[0] for at, word in enumerate(words)]
    kept = [word for word in words if word.split("=")[0] not in {"data.size", "training.epochs"}]
    return [*kept, *tiny, *small, f"outputs={folder}"]


def run_command(command: str, folder: Path) -> str:
    """Run a README command that must succeed, and return its output.

    Python modules run in a warm process, where training leaves its pictures blank. ``./scripts/train`` is a new
    process, which draws them.
    """
    words = scale_down(command, folder)
    if words[:2] == [sys.executable, "-m"]:
        process = WarmProcess(*words[2:], draws="gym.train" not in words)
    else:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, f"{command}\n{output}"
    return output


@pytest.fixture
def imagery(tmp_path):
    """Four pairs of five bands in the folders that the README's commands read."""
    rng = np.random.default_rng(0)
    for number in range(4):
        for kind, bands in (("images", 5), ("labels", 1)):
            path = tmp_path / "my" / kind / f"shore{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            options = {
                "driver": "GTiff",
                "height": 40,
                "width": 32,
                "count": bands,
                "dtype": "uint8",
                "crs": "EPSG:32610",
            }
            with rasterio.open(path, "w", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6), **options) as written:
                written.write(rng.integers(0 if bands == 1 else 1, 4, (bands, 40, 32), dtype=np.uint8))
    return tmp_path


@pytest.mark.process
def test_the_training_commands_of_the_readme_run_before_those_that_use_them(imagery):
    """Only the size of the work is changed; later commands use the last run of a name, then its archive."""
    copy_database(f"sqlite:///{imagery}/mlflow.db")
    trainings = [command for command in COMMANDS if "gym.train" in command or "scripts/train" in command]
    assert len(trainings) == 4
    for command in trainings:  # sequentially, because two of them train the same run, which is locked meanwhile
        run_command(command, imagery)

    uses = [command for command in COMMANDS if re.search(r"gym\.(evaluate|report|predict|publish)", command)]
    answers = [
        "full report: ",
        "reports/losses/report.html",
        "4 images segmented by resunet cce f6",
        "resunet.zip (",
        "4 images segmented by resunet cce f6",
    ]
    for command, answer in zip(uses, answers, strict=True):
        assert answer in run_command(command, imagery)
    for place in ("predictions", "labels_of_zip"):
        with rasterio.open(imagery / "my" / place / "shore0.tif") as label:
            assert (label.crs.to_epsg(), label.shape, label.nodata) == (32610, (40, 32), 255)


@pytest.mark.process
def test_the_dataset_command_of_the_readme_runs(imagery):
    """It prints the path of a report, which exists."""
    (command,) = [command for command in COMMANDS if "gym.make_dataset" in command]
    page = Path(re.search(r"report +(.*)", run_command(command, imagery)).group(1))

    assert page.is_file()
    assert "Every file is used." in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [command for command in DATA_COMMANDS if "gym.import_config" not in command])
def test_every_command_of_the_data_page_is_a_valid_configuration(command, configure, tmp_path, monkeypatch):
    """The program accepts its keys and values; other tests cover their effects."""
    monkeypatch.chdir(tmp_path)
    for place in set(re.findall(r"my/[\w.]+", command)):
        Path(place).mkdir(parents=True)
    _, _, module, *overrides = shlex.split(command)

    config = configure(*overrides, name={"gym.train": "config", "gym.make_dataset": "make_dataset"}[module])

    given = dict(override.split("=", 1) for override in overrides)
    options = yaml.safe_load((configuration_folder() / "data" / f"{given['data']}.yaml").read_text(encoding="utf-8"))
    assert config.data.kind == options["kind"]
    classes = given.get("data.classes", f"[{','.join(options.get('classes', []))}]")
    assert config.data.classes == classes.strip("[]").split(",")


@pytest.mark.parametrize("command", SWEEP_COMMANDS)
def test_every_command_of_the_sweep_page_is_a_valid_configuration(command, configure, tmp_path, monkeypatch):
    """One value of each list is checked; other tests cover sweeping."""
    monkeypatch.chdir(tmp_path)
    for place in ("nir", "swir"):
        Path(place).mkdir()
    Path("L8.zip").touch()
    _, _, module, flag, *overrides = shlex.split(command)
    ranges = r"=(tag|interval|range|choice)\("
    single = [word if re.search(r"=\[", word) else word.split(",")[0] for word in overrides]

    assert (module, flag) == ("gym.train", "-m")
    held_out = ["split.held_out=duck"] if "leave_one_site_out" in command else []  # swept by the experiment
    kept = [word for word, whole in zip(single, overrides, strict=True) if not re.search(ranges, whole)]
    configure(*kept, *held_out)


@pytest.mark.parametrize("command", EVALUATION_COMMANDS)
def test_every_command_of_the_evaluation_page_is_a_valid_configuration(command, configure):
    """The program accepts its keys and values."""
    _, _, module, *overrides = shlex.split(command)

    config = configure(*overrides, name="evaluate")

    assert module == "gym.evaluate"
    assert config.run == "resunet cce f6"
    assert (config.data is not None) == ("data=synthetic" in overrides)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_commands_need_no_further_quotes_in_any_shell(page):
    """Zsh, the shell of macOS, takes brackets outside quotes for a pattern, and refuses one that matches no file."""
    blocks = re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    unquoted = [re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", line) for line in lines]

    assert not [line for line in unquoted if re.search(r"[][{}*?()]", line)]


@pytest.mark.parametrize("page", [SWEEP_PAGE], ids=["sweeps"])
def test_the_sweep_page_lists_every_key(page):
    """These are the keys of ``sweep`` and ``search``."""
    for part, schema in (("sweep", SweepConfig), ("search", SearchConfig)):
        listed = set(re.findall(rf"^\| `{part}\.(\w+)` \|", page, re.MULTILINE))
        hidden = {"job"}  # set by the sweeper
        assert listed | hidden >= {field.name for field in fields(schema)}
        assert listed <= {field.name for field in fields(schema)}


@pytest.mark.process
def test_the_ui_answers():
    """``./scripts/ui`` serves MLflow on 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["./scripts/ui", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        page = ""
        for _ in range(120):
            time.sleep(0.5)
            try:
                with urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    page = answer.read().decode()
                    break
            except OSError:
                continue
        assert "<title>MLflow</title>" in page
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def links_of_the_ui(outputs):
    """Start ``scripts/ui``, stop it before it serves, and return the links that it prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["./scripts/ui", str(port), str(outputs)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        lines = list(itertools.takewhile(lambda line: not line.startswith("(ready"), server.stdout))
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=30)
        server.stdout.close()
    return [line.strip().replace(f"127.0.0.1:{port}", "HOST") for line in lines]


@pytest.mark.process
def test_the_ui_links_to_the_experiments_of_this_program(tmp_path):
    """Whatever their numbers are; the one with the latest run comes first, and deleted ones are left out."""
    everything = "all experiments: http://HOST/#/experiments"
    assert links_of_the_ui(tmp_path / "new") == [everything]
    outputs = tmp_path / "my outputs"
    client, _ = open_tracking(TrackingConfig(experiment="first"), outputs)
    client.create_experiment("somebody else's")
    second, third = (open_tracking(TrackingConfig(experiment=name), outputs)[1] for name in ("two words", "deleted"))
    client.delete_experiment(third)
    client.create_run(second)

    links = links_of_the_ui(outputs)

    view = "runs?workflowType=machine_learning&viewStateShareKey=scores"
    assert links == [
        f"the runs of two words by their scores: http://HOST/#/experiments/{second}/{view}",
        f"the same as charts: http://HOST/#/experiments/{second}/{view}&compareRunsMode=CHART",
        f"the runs of first by their scores: http://HOST/#/experiments/1/{view}",
        f"the same as charts: http://HOST/#/experiments/1/{view}&compareRunsMode=CHART",
        everything,
    ]


@pytest.mark.process
def test_the_ui_refuses_a_port_in_use():
    """The error suggests another port, and comes before MLflow is imported."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(["./scripts/ui", str(port)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip() == f"error: port {port} is taken; give another, as in ./scripts/ui {port + 1}"


def test_the_readme_has_only_tested_commands():
    """A command of another kind needs another test in this file."""
    known = ("./scripts/train", "./scripts/test", "python -m gym.")

    assert all(command.startswith(known) for command in COMMANDS)
    assert len(README.splitlines()) < 220


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))],
)
def test_links_lead_to_files_of_the_project(document):
    """Relative links and pictures refer to existing files."""
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text(encoding="utf-8")):
        assert target.startswith("http") or (ROOT / document).parent.joinpath(target).exists(), target


def test_the_plugin_of_the_plugin_page_works(configure, write_plugin):
    """The example registers the architecture and the score that the command below it uses."""
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (command,) = re.findall(r"```bash\n(.*?)\n```", page)
    write_plugin("toy", code)
    _, _, module, flag, plugins, name, options, width = shlex.split(command)
    load_plugins(["toy"])

    config = configure(plugins, name, options, width.split(",")[0])
    model = build_model(config.model, (32, 32, 5), 4)

    assert (module, flag) == ("gym.train", "-m")
    assert [layer.filters for layer in model.layers if hasattr(layer, "filters")] == [2, 2, 4]
    assert SCORES.get("hit_rate").load()(np.array([[3, 1], [0, 4]])) == 7 / 8


POINTING = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "conf").rglob("*.yaml")),
]


@pytest.mark.parametrize("page", POINTING, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_lead_to_files_of_the_project(page):
    """Paths below gym, conf, tests, scripts or docs exist even outside links; a pattern matches a file."""
    paths = re.findall(r"(?<![\w./])(?:gym|conf|tests|scripts|docs)/[\w./*-]*\w", page.read_text(encoding="utf-8"))
    only_in_the_wheel = {"gym/conf"}
    gone = [path for path in paths if not any(ROOT.glob(path)) and path not in only_in_the_wheel]

    assert not gone


def test_the_readme_lists_every_group_and_option():
    """The table has the folders and files of the configuration."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", README, re.MULTILINE)
    listed = {group: set(re.findall(r"`([\w.]+)`", options)) for group, options in rows}
    present = {
        folder.name: {path.stem for path in folder.glob("*.yaml")}
        for folder in configuration_folder().iterdir()
        if folder.name in group_names()
    }

    assert listed == present


@pytest.mark.process
def test_the_error_in_the_readme_is_printed():
    """The command in the example prints exactly this line."""
    command, answer = re.search(r"\$ (python -m gym\.train .*)\n(error: .*)", README).groups()
    words = [sys.executable, *command.split()[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.stderr.strip() == answer


def test_experiments_begin_with_their_command():
    """The second line of each YAML file is a comment with the command that runs it."""
    for path in (configuration_folder() / "experiment").glob("*.yaml"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert re.match(rf"# python -m gym\.train (-m )?\+experiment={path.stem}\b", lines[1])
