"""Plugins register entries, are loaded only from the command line, and are identified by the hash of their files."""

import hashlib
import re
import sys

import pytest
from omegaconf import OmegaConf

import gym
from gym.config.plugins import (
    add_environment_plugins,
    current_plugin,
    load_plugins,
    plugin_hashes,
    plugins_in,
    require_plugins,
    unload_plugin,
)
from gym.config.registries import ARCHITECTURES, COUNTS, EXPORTERS, LOSSES, READERS, SCORES, Place
from gym.config.schema import Config
from gym.config.validation import read_config
from gym.core.errors import ConfigError, RunError
from gym.core.files import hash_value
from gym.evaluation.counts import Counts
from tests.plugin_files import TOY

BARE = "import gym\ngym.register_exporter(__name__, 'a:b')\n"  # a plugin must register something


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_plugin_registers_its_entries(write_plugin):
    """Each entry has the name of the plugin, and a title and a style by default."""
    write_plugin(
        "parts",
        "import gym\n"
        "gym.register_architecture('plain', 'parts:build')\n"
        "gym.register_architecture('other', 'parts:build', colour='#112233', work=2.0, uses=['decoder'])\n"
        "gym.register_loss('steep', 'parts:STEEP')\n"
        "gym.register_reader('drawn', 'parts:Drawn', classes=['a', 'b'], needs={'table': 'x.csv'}, uses=['table'])\n"
        "gym.register_score('hits', 'parts:hits', highest_is_best=False)\n"
        "gym.register_exporter('onnx', 'parts:export', title='ONNX')\n",
    )

    load_plugins(["parts"])

    assert [registry.get(name).plugin for registry, name in ((LOSSES, "steep"), (READERS, "drawn"))] == ["parts"] * 2
    assert (ARCHITECTURES.get("plain").title, ARCHITECTURES.get("plain").style.colour) == ("plain", "#009e73")
    assert ARCHITECTURES.get("other").style.marker == "v"
    assert "other" in ARCHITECTURES.users_of("decoder")
    assert READERS.get("drawn").needs == {"table": "x.csv"}
    assert SCORES.get("hits").places == {Place.RUN, Place.EVALUATION, Place.TABLE, Place.OBJECTIVE}
    assert SCORES.names_at(Place.TABLE)[3:5] == ["hits", "stopping_epoch"]
    assert EXPORTERS.get("onnx").title == "ONNX"
    assert "parts.build" not in sys.modules
    assert current_plugin() == ""


def test_registering_outside_a_plugin_is_refused():
    """A run could not record which plugin it needs."""
    with pytest.raises(
        ConfigError,
        match=r"^toy is registered outside a plugin; move the call into a module, and pass plugins=MODULE\.",
    ):
        gym.register_architecture("toy", "toy:build")


@pytest.mark.parametrize(
    ("call", "message"),
    {
        "architecture('Toy', 'a:b')": r"^the name 'Toy' must be lowercase letters, digits and underscores",
        "architecture('unet', 'a:b')": r"^architecture unet is already registered by segsweep; register it under",
        "architecture('toy', 'a:b', colour='red')": r"^colour=red of architecture toy must be a colour such as #009e73",
        "architecture('toy', 'a:b', marker='z')": r"^marker=z of architecture toy must be one of o, s, \^, v, <, >, D",
        "architecture('toy', 'a:b', dash='_')": r"^dash=_ of architecture toy must be one of -, --, :, -\.\.$",
        "score('hits')": r"^score hits must have an implementation or by_class; give one, as module:function\.$",
        "score('hits', 'a:b', places=['wall'])": r"^places=wall of score hits must be one of run, evaluation, image, ",
        "score('hits', 'a:b', reads=['pixels'])": r"^reads=pixels of score hits must be one of matrix, kld_sum, ",
        "score('hits', 'a:b', reads=['strip_matrix'])": r"^score hits reads strip_matrix, and only matrix and kld_sum "
        r'are counted at the end of training; leave "run" out of its places\.$',
        "score('hits', 'a:b', reads=['strip_matrix'], places=['site class'])": r'leave "site class" out of its places',
        "score('hits', 'a:b', reads=['kld_sum'], places=['baselines'])": r"^score hits reads kld_sum, and only matrix "
        r'is kept by image; leave "baselines" out of its places\.$',
        "score('hits', 'a:b', places=['differences'])": r'^score hits is shown at "differences"; add "evaluation", whe',
        "score('hits', 'a:b', places=['terminal', 'run'])": r'^score hits is shown at "terminal"; add "evaluation", wh',
        "score('hits', 'a:b', places=['evaluation', 'held out'])": r'^score hits is shown at "held out"; add "run", wh',
        "score('hits', 'a:b', places=['figure 4'])": r'^score hits is shown at "figure 4"; add "run", where it is comp',
        "score('hits', 'a:b', places=['site table'])": r'^score hits is shown at "site table"; add "site", where it is',
        "score('learning_rate', 'a:b')": r"^score learning_rate has the name of another number of a run; choose anothe",
        "score('status', 'a:b')": r"^score status has the name of another number of a run; choose another name\.$",
        "score('hits', print)": r"^implementation=<built-in function print> of hits must be text, as in \"my_module:my",
        "loss('hits', 'a:b', title=5)": r"^title=5 of hits must be text, as in \"My net\"\.$",
        "score('hits', 'a:b', places=['epoch'])": "^places=epoch of score hits must be one of run, evaluation, image, ",
        "score('hits', 'a:b', places=['site report'])": "^places=site report of score hits must be one of run, ",
    }.items(),
)
def test_an_invalid_registration_is_refused_and_undone(write_plugin, call, message):
    """Earlier entries of the plugin are removed, so that it can be corrected and loaded again."""
    write_plugin("faulty", f"import gym\ngym.register_loss('before', 'a:b')\ngym.register_{call}\n")

    with pytest.raises(ConfigError, match=message):
        load_plugins(["faulty"])

    assert "before" not in LOSSES
    assert "faulty" not in sys.modules


@pytest.mark.parametrize(
    ("name", "message"),
    {
        "no_such_plugin": r"^plugins=no_such_plugin: there is no module no_such_plugin in .* or on PYTHONPATH; run "
        "the command in the folder of the module, or add that folder to PYTHONPATH",
        "toy.py": r"^plugins=toy\.py must name modules; try plugins=toy\.$",
        "my-net": r"^plugins=my-net must name modules; rename the file to my_net\.py, and try plugins=my_net\.$",
        "json": r"^plugins=json: the module json \(.*json.__init__\.py\) registers nothing; call "
        r"gym\.register_architecture or another gym\.register_\.\.\. function in it, or leave out json\.$",
        "numpy": r"^plugins=numpy: the module numpy \(.*\) registers nothing",
        "sys": r"^plugins=sys: the module sys \(part of Python\) registers nothing",
        "empty": r"^plugins=empty: the module empty \(.*empty\.py\) registers nothing",
        "broken": r"^plugins=broken cannot be imported \(ZeroDivisionError: division by zero\); correct the "
        "module, or set HYDRA_FULL_ERROR=1 to see where it fails",
        "leaving": r"^plugins=leaving cannot be imported \(SystemExit: 0\); correct the module",
        "needing": r"^plugins=needing cannot be imported \(ModuleNotFoundError: No module named 'no_such_module'\)",
    }.items(),
)
def test_a_plugin_that_cannot_be_imported_is_named(write_plugin, name, message):
    """The error has the reason and the remedy."""
    write_plugin("broken", "1 / 0\n")
    write_plugin("needing", "import no_such_module\n")
    write_plugin("leaving", "raise SystemExit(0)\n")
    write_plugin("empty", "")
    before = {module: sys.modules.get(module) for module in ("json", "numpy", "sys")}

    with pytest.raises(ConfigError, match=message):
        load_plugins([name])

    assert {module: sys.modules.get(module) for module in before} == before


def test_a_plugin_is_found_in_the_current_folder(tmp_path, monkeypatch):
    """By itself, an installed command would not look there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    (tmp_path / "found_here.py").write_text(BARE)

    assert load_plugins(["found_here"]).keys() == {"found_here"}
    unload_plugin("found_here")


def test_plugins_are_named_in_overrides():
    """Overrides may set the list or add to it. No shell needs quotes for the form without brackets."""
    assert plugins_in(["model=unet", "plugins=[toy,'other']", "++plugins=[third]"]) == ["toy", "other", "third"]
    assert plugins_in(["plugins=toy", "+plugins=one,two.three"]) == ["toy", "one", "two.three"]
    assert plugins_in(["plugins='one','two'"]) == ["one", "two"]
    assert plugins_in(["model=unet", "plugins=[]"]) == []


@pytest.mark.parametrize(
    ("override", "remedy"),
    {
        "plugins=[toy": "as in plugins=my_module",
        "plugins=": "try plugins=my_module",
        "plugins=null": "try plugins=my_module",
        "plugins=1,toy": "try plugins=my_module,toy",
        "plugins=./toy.py": "try plugins=toy",
        "plugins=[code/toy.py,other]": "try plugins=code.toy,other",
        "plugins=[[toy]]": "try plugins=my_module",
        "plugins=my-net.py,toy": "rename the file to my_net.py, and try plugins=my_net,toy",
        "plugins={toy:1}": "try plugins=my_module",
        "plugins=glob(*)": "try plugins=my_module",
    }.items(),
)
def test_overrides_that_name_no_modules_are_refused_with_what_to_type(override, remedy):
    """The remedy itself is accepted."""
    with pytest.raises(ConfigError) as refusal:
        plugins_in([override])

    separator = "," if remedy.startswith("as in") else ";"
    assert str(refusal.value) == f"{override} must name modules{separator} {remedy}."
    assert plugins_in([remedy.rpartition(" ")[2]])


@pytest.mark.parametrize("value", ["toy.py", "./toy.py", "toy,my-net.py", "[toy]", "toy other"])
def test_the_environment_variable_must_name_modules(monkeypatch, value):
    """The remedy names the variable, because an override would not undo it; it is accepted when it is set."""
    monkeypatch.setenv("GYM_PLUGINS", value)
    with pytest.raises(
        ConfigError, match=rf"^GYM_PLUGINS={re.escape(value)} must name modules; .*set GYM_PLUGINS="
    ) as no:
        add_environment_plugins(["model=unet"])

    monkeypatch.setenv("GYM_PLUGINS", str(no.value).rpartition("=")[2].removesuffix("."))
    assert add_environment_plugins(["model=unet"])[0].startswith("plugins=[toy")


def test_loaded_plugins_are_part_of_a_configuration_composed_in_python(write_plugin):
    """The fingerprint of its run therefore includes their contents, as it does for ``plugins=`` on a command line."""
    write_plugin("present", BARE)
    gym.load_plugins("present")

    assert gym.compose("seed=1").plugins == ["present"]
    assert gym.compose("plugins=present").plugins == gym.compose("plugins=[present]").plugins == ["present"]


@pytest.mark.parametrize(
    ("arguments", "merged"),
    [
        (["model=unet"], ["plugins=[extra]", "model=unet"]),
        (["--cfg", "job"], ["--cfg", "job", "plugins=[extra]"]),
        (
            ["-m", "seed=1", "plugins=[toy]", "loss=cce", "--info"],
            ["-m", "seed=1", "plugins=[toy,extra]", "loss=cce", "--info"],
        ),
        (["plugins=[extra]"], ["plugins=[extra]"]),
    ],
)
def test_the_environment_variable_adds_plugins(monkeypatch, arguments, merged):
    """They are added to the overrides, so that workers and records have them, too."""
    monkeypatch.setenv("GYM_PLUGINS", "extra, ")

    assert add_environment_plugins(arguments) == merged
    monkeypatch.delenv("GYM_PLUGINS")
    assert add_environment_plugins(["model=unet"]) == ["model=unet"]


def test_a_plugin_is_identified_by_the_hash_of_its_file(write_plugin):
    """It is the hash at import, so a later change counts only in the next process."""
    path = write_plugin("hashed", BARE)
    digest = sha(path)

    assert load_plugins(["hashed"]) == {"hashed": digest}
    path.write_text(f"{BARE}# changed\n")
    assert load_plugins(["hashed"]) == plugin_hashes(["hashed"]) == {"hashed": digest}


def test_the_hash_covers_all_files_that_a_plugin_runs(write_plugin):
    """These are all files of a package, and other modules that hold implementations."""
    part = write_plugin("heavy_part", "STEEP = 3\n")
    light = write_plugin("light", "import gym\ngym.register_loss('steep', 'heavy_part:STEEP')\n")
    first = write_plugin("bundle.__init__", BARE)
    second = write_plugin("bundle.more", "x = 1\n")

    hashes = load_plugins(["light", "bundle"])

    unload_plugin("bundle")
    assert hashes == {
        "light": hash_value({"light.py": sha(light), "heavy_part": sha(part)}),
        "bundle": hash_value({"__init__.py": sha(first), "more.py": sha(second)}),
    }
    assert LOSSES.get("steep").load() == 3


def test_a_plugin_that_changed_after_the_sweep_began_is_refused(write_plugin):
    """A worker may start after the file was changed."""
    write_plugin("versioned", BARE)

    with pytest.raises(RunError, match=r"^plugin versioned changed after the sweep began \(0123456789ab, now "):
        load_plugins(["versioned"], {"versioned": "0123456789abcdef"})


def test_a_yaml_file_cannot_load_a_plugin(write_plugin):
    """The error comes before anything is imported, and says what to type."""
    write_plugin("sneaky", "import gym\ngym.register_loss('sneaky', 'a:b')\n")
    composed = OmegaConf.merge(OmegaConf.structured(Config), {"plugins": ["sneaky"]})

    with pytest.raises(
        ConfigError,
        match=r"^plugins=sneaky is in a YAML file, but plugins run code, so only the command line loads them; type "
        r"plugins=sneaky\.$",
    ):
        read_config(composed, Config)
    assert "sneaky" not in sys.modules
    load_plugins(["sneaky"])
    assert read_config(composed, Config).plugins == ["sneaky"]


def test_a_missing_plugin_is_refused_with_the_override_to_type(write_plugin, caplog):
    """The override includes the loaded plugins; one that has changed only causes a warning."""
    write_plugin("present", BARE)
    digest = load_plugins(["present"])["present"]

    with pytest.raises(
        RunError,
        match=r"^run=mine was made with a plugin that is not loaded \(absent 0123456789ab, bare\); add "
        r"plugins=present,absent,bare, or call gym\.load_plugins\(\['absent', 'bare'\]\) in Python\.$",
    ):
        require_plugins({"absent": "0123456789abcdef", "bare": ""}, "run=mine")
    require_plugins({"present": digest}, "run=mine")
    assert caplog.messages == []
    require_plugins({"present": "0123456789abcdef"}, "run=mine")
    changed = f"plugin present changed since run=mine was trained (SHA-256 0123456789ab, now {digest[:12]})"
    assert caplog.messages == [changed]


def test_options_are_typed_and_completed(configure, write_plugin):
    """Types and defaults come from the dataclass of the entry."""
    write_plugin("toy", TOY)
    overrides = ["plugins=[toy]", "model.name=toy"]

    assert configure(*overrides).model.options == {"blocks": 1}
    assert configure(*overrides, "model.options={blocks:3}", "loss.name=scaled").loss.options == {"factor": 2.0}
    for option, message in {
        "{blocks:many}": r"^model\.options\.blocks: Value 'many' of type 'str' could not be converted to Integer",
        "{bloks:3}": r"^model\.options\.bloks is not an option of toy; choose one of blocks\.$",
        "3": r"^model\.options=3 must be a mapping, as in model\.options=\{name:value\}\.$",
    }.items():
        with pytest.raises(ConfigError, match=message):
            configure(*overrides, f"model.options={option}")


@pytest.mark.parametrize("kind", ["model", "loss", "data"])
@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        ("x: int", "{}", r"options must give x, as in \w+\.options=\{x:VALUE\}\.$"),
        ("x: int\n    y: str", "{x:1}", r"options must give y, as in \w+\.options=\{y:VALUE\}\.$"),
        ("x: int = 0\n    def __post_init__(self): assert not self.x, 'x must be 0'", "{x:1}",
         r"options=\{'x': 1\} fails the check of sized in plugin sizes \(AssertionError: x must be 0\); change the"),
        ("x: int = 0\n    def __post_init__(self): [][self.x]", "{x:1}", r"\(IndexError: list index out of range\);"),
        ("x: list[int] = field(default_factory=list)", "{x:[a]}", r"options\.x\[0\]: Value 'a' of type 'str' could"),
    ],
)  # fmt: skip
def test_options_that_break_their_rules_are_refused(configure, write_plugin, kind, options, given, message):
    """Neither an option without a default nor the plugin's own check ends in a traceback."""
    register = {"model": "architecture", "loss": "loss", "data": "reader"}[kind]
    write_plugin("sizes", SIZED.format(options=options, register=register))
    key = {"model": "model.name", "loss": "loss.name", "data": "data.kind"}[kind]

    with pytest.raises(ConfigError, match=message):
        configure("plugins=[sizes]", f"{key}=sized", f"{kind}.options={given}")


SIZED = """
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
import gym
import typing

@dataclass
class Options:
    {options}

gym.register_{register}("sized", "sizes:build", options=Options)
"""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("x: Path = Path('a')", "x must be a bool, int, float or str, a list of one of these, or None; convert it"),
        ("x: Enum = Enum('Side', 'left').left", "x must be"),
        ("x: dict[str, int] = field(default_factory=dict)", "x must be"),
        ("x: tuple[int, int] = (1, 2)", "x must be"),
        ("x: bytes = b'1'", "x must be"),
        ("x: list[list[int]] = field(default_factory=list)", "x must be"),
        ("x: typing.Any = None", "x must be"),
        (
            "x: Unknown = 1",
            "cannot be read (NameError: name 'Unknown' is not defined); correct its annotations or defaults.",
        ),
        (
            "x: int = 'many'",
            "cannot be read (ValidationError: Value 'many' of type 'str' could not be converted to Int",
        ),
        (
            "x: int | list[int] = 1",
            "cannot be read (ConfigValueError: Unions of containers are not supported);",
        ),
    ],
)
def test_options_that_cannot_be_logged_and_read_back_are_refused(write_plugin, options, reason):
    """They are refused when they are registered, not after training."""
    future = "from __future__ import annotations\n"  # so that Python evaluates no annotation itself
    write_plugin("sizes", future + SIZED.format(options=options, register="architecture"))

    with pytest.raises(ConfigError, match=rf"^options=Options of sized:? {re.escape(reason)}"):
        load_plugins("sizes")


def test_options_must_not_be_frozen(write_plugin):
    """OmegaConf could not set their values."""
    text = SIZED.format(options="x: int = 1", register="loss").replace("@dataclass", "@dataclass(frozen=True)")
    write_plugin("sizes", text)

    with pytest.raises(
        ConfigError, match=r"^options=Options of sized must not be frozen; write @dataclass without fro"
    ):
        load_plugins("sizes")


def test_an_interrupted_import_leaves_nothing_behind(write_plugin):
    """Ctrl-C ends the command, but a notebook goes on."""
    write_plugin("slow", "import gym\ngym.register_loss('steep', 'a:b')\nraise KeyboardInterrupt\n")

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            load_plugins("slow")
    assert "steep" not in LOSSES


@pytest.mark.parametrize("options", ["Options()", "dict", "{'x': 1}", "print"])
def test_options_must_be_a_dataclass(write_plugin, options):
    """The class is passed, not an object of it."""
    text = SIZED.format(options="x: int = 1", register="loss").replace("options=Options", f"options={options}")
    write_plugin("sizes", text)

    with pytest.raises(
        ConfigError, match=r"^options=.* of sized must be a dataclass; write @dataclass above the class"
    ):
        load_plugins("sizes")


def test_a_corrected_plugin_is_loaded_with_its_submodules_again(write_plugin):
    """Otherwise, the parts that its other modules registered before the mistake would be missing."""
    write_plugin("parts.__init__", "from parts import losses\nimport neighbour\n1 / 0\n")
    write_plugin("parts.losses", "import gym\ngym.register_loss('steep', 'a:b')\n")
    write_plugin("neighbour", "import gym\ngym.register_loss('flat', 'a:b')\n")
    with pytest.raises(ConfigError, match="division by zero"):
        load_plugins("parts")
    write_plugin("parts.__init__", "from parts import losses\nimport neighbour\n")

    load_plugins("parts")

    assert LOSSES.get("steep").plugin == LOSSES.get("flat").plugin == "parts"


def test_installed_modules_stay_imported(write_plugin, monkeypatch, tmp_path):
    """Importing a C extension a second time in one process would fail or double its state."""
    monkeypatch.setattr("gym.config.plugins._INSTALLED", (f"{tmp_path / 'installed'}/",))
    monkeypatch.syspath_prepend(tmp_path / "installed")
    write_plugin("installed.heavy", "")
    write_plugin("light", "import heavy\n1 / 0\n")

    with pytest.raises(ConfigError, match="division by zero"):
        load_plugins("light")

    assert "heavy" in sys.modules
    assert "light" not in sys.modules


def test_several_plugins_are_separated_by_commas(write_plugin):
    """As on the command line."""
    write_plugin("one", BARE)
    write_plugin("two", BARE)

    assert load_plugins("one, two").keys() == {"one", "two"}


def test_a_plugin_that_another_one_imports_is_refused(write_plugin):
    """Its parts were registered for the other plugin; in the other order both are loaded."""
    write_plugin("inner", BARE)
    write_plugin("outer", "import gym\nimport inner\ngym.register_loss('steep', 'a:b')\n")

    with pytest.raises(
        ConfigError,
        match=r"^plugins=inner: plugin outer imports inner, so that its parts belong to outer; leave out inner\.$",
    ):
        load_plugins(["outer", "inner"])
    unload_plugin("outer")
    assert load_plugins(["inner", "outer"]).keys() == {"inner", "outer"}


def test_a_folder_of_modules_is_not_a_plugin(write_plugin):
    """Without ``__init__.py`` nothing is imported, and so nothing registered."""
    write_plugin("nets.one", BARE.replace("__name__", "'one'"))

    with pytest.raises(
        ConfigError, match=r"^plugins=nets: the folder nets has no __init__\.py; name a module in it, as"
    ):
        load_plugins("nets")
    assert load_plugins("nets.one")


def test_the_counts_of_scores_are_those_of_evaluation():
    """A module that does not import NumPy repeats their names."""
    assert Counts._fields == COUNTS
