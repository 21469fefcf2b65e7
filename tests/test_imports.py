"""Packages are layers: imports only descend, there are no cycles, and each heavy library has its place."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gym

PACKAGE = Path(gym.__file__).parent
# A package imports only from lower layers; packages of one layer do not import each other.
LAYERS = [
    {"core"},
    {"config"},
    {"data"},
    {"evaluation"},
    {"models"},
    {"runs", "training"},
    {"prediction", "reporting"},
    {"sweeps"},
    {"app"},
]
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py") and path.parent != PACKAGE
}
# The modules that may import a library, because it takes long to import or ties them to a service.
IMPORTERS = {
    "numpy": r"core\.seeding|(?!core\.|config\.).+",
    "mlflow": r"runs\.mlflow_\w+",
    "sqlalchemy": r"runs\.(mlflow_errors|tracking_uri)|sweeps\.search\.storage",
    "optuna": r"sweeps\.search\.\w+",
    "matplotlib": r"reporting\..+|sweeps\.search\.figures",
}


def imports_of(path: Path) -> set[str]:
    """Return the modules of this program that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gym."):
            inside = node.module[4:]
            names |= {f"{inside}.{a.name}" if f"{inside}.{a.name}" in MODULES else inside for a in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name[4:] for alias in node.names if alias.name.startswith("gym.")}
    return names


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_only_descend(module):
    """A module imports from its own package and from lower layers."""
    package = module.split(".")[0]
    for imported in imports_of(MODULES[module]):
        other = imported.split(".")[0]
        assert other == package or LAYER[other] < LAYER[package], f"gym.{module} imports gym.{imported}"


@pytest.mark.parametrize(("library", "importers"), IMPORTERS.items())
def test_a_heavy_library_is_imported_only_where_it_belongs(library, importers):
    """Configurations are checked without NumPy, and only a few modules depend on MLflow, Optuna and matplotlib."""
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if library in {name.partition(".")[0] for name in names}:
                assert re.fullmatch(importers, module), f"gym.{module} imports {library}"


def test_no_modules_import_each_other_in_a_cycle():
    """Modules of one package have an order too; `TopologicalSorter` raises if there is a cycle."""
    assert set(TopologicalSorter({m: imports_of(p) for m, p in MODULES.items()}).static_order()) >= set(MODULES)


def test_the_packages_stay_small():
    """There are at most 25 packages, and at most 25 modules in each, so that readers find their way."""
    folders = {path.parent for path in MODULES.values()}
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"} == set(LAYER)
    assert len(folders) <= 25
    assert all(len(list(folder.glob("[!_]*.py"))) <= 25 for folder in folders)


def test_commands_hold_no_logic():
    """A command module has at most 30 lines and names its entry in the table of commands."""
    for path in PACKAGE.glob("[!_]*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 30, path
        assert f'main = command("{path.stem}")' in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", sorted({path.parent for path in MODULES.values()}), ids=lambda folder: folder.name)
def test_a_package_states_what_it_offers_and_imports_nothing(folder):
    """Its ``__init__`` is only a docstring, so importing one module never imports another."""
    (only,) = ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(only, ast.Expr)
