"""No module names an architecture, a loss or a score; only the YAML files do that describe them."""

import ast
import re
from pathlib import Path

import pytest

import gym
from gym.config.registries import ARCHITECTURES, LOSSES, SCORES

PACKAGE = Path(gym.__file__).parent
NAMES = {*ARCHITECTURES.names, *LOSSES.names, *(entry.name for entry in SCORES if entry.rates_predictions)}
NAMES -= {"precision"}  # also numerical precision: a key of the configuration and a tag of runs
# Names that a module must know, each with the reason.
EXCEPTIONS = {
    "config/legacy_keys.py": {  # translates the names of Segmentation Gym
        *("unet", "resunet", "simple_unet", "simple_resunet"),
        *("cce", "dice", "hinge", "kld"),
    },
    "evaluation/legacy_scores.py": {"iou", "dice", "kld"},  # numbers that Segmentation Gym would print
    "sweeps/ledger.py": {"iou"},  # a field of events in ledger.jsonl
    "training/metrics.py": {"iou", "kld"},  # fields of epochs in last.npz
}
MODULES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py"))}


def names_in(text):
    """The registered names in a text that is an identifier, as in ``iou``, ``val_iou`` or ``test/iou``."""
    if " " in text.strip():  # a sentence
        return set()
    words = set(re.findall(r"\w+", text))
    return {
        name for name in NAMES for word in words if word == name or re.fullmatch(f"(train|val|class|site)_{name}", word)
    }


def literals_of(path):
    """The strings of a module, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and isinstance(node.body[0], ast.Expr)
    }
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return [node.value for node in strings if id(node) not in documentation]


def test_names_are_found_in_keys_and_not_in_sentences():
    """Prefixes of metrics and signs around a name do not hide it."""
    assert names_in("val_iou") == names_in("metrics.`iou`") == names_in("test/iou") == {"iou"}
    assert names_in("simple_unet") == {"simple_unet"}
    assert names_in("the dice are cast") == names_in("unet_builder") == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_names_are_not_literal(module):
    """Adding or renaming a name therefore affects only its entry; exceptions that are no longer needed fail, too."""
    found = set().union(*map(names_in, literals_of(MODULES[module])))

    assert found == EXCEPTIONS.get(module, set())


def test_every_exception_is_a_module():
    """If a module moves, its exception must move, too."""
    assert EXCEPTIONS.keys() <= MODULES.keys()
