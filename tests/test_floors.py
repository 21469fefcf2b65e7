"""Imports only descend, and nothing heavy is imported at the top."""

import ast
from pathlib import Path

import pytest

import gym

PACKAGE = Path(gym.__file__).parent

# The floor of every module, or of every module of a package; a module may import from lower floors only.
# Within a package the number after the point is the order.
FLOORS = {
    "errors": 0.0,
    "interruption": 1.0,
    "quiet": 1.0,
    "console": 1.0,
    "files": 1.0,
    "seeding": 1.0,
    "band_math": 1.0,
    "options": 1.0,
    "config": 1.1,
    "data_check": 1.15,
    "settings": 1.15,
    "model_zip": 1.15,
    "config_check": 1.2,
    "old_values": 1.2,
    "old_config": 1.21,
    "old_experiment": 1.22,
    "data.archives": 2.00,
    "data.download": 2.00,
    "data.grouping": 2.00,
    "data.hashing": 2.00,
    "data.labels": 2.00,
    "data.likeness": 2.00,
    "data.pairs": 2.00,
    "data.parallel": 2.00,
    "data.raster": 2.00,
    "data.split": 2.00,
    "data.terrain": 2.00,
    "data.warp": 2.0,
    "data.augment": 2.01,
    "data.frame": 2.01,
    "data.reader": 2.01,
    "data.synthetic": 2.01,
    "data.values": 2.01,
    "data.decoders": 2.02,
    "data.drawn": 2.02,
    "data.folder": 2.02,
    "data.prepare": 2.02,
    "data.npz": 2.03,
    "data.store": 2.03,
    "data.build": 2.04,
    "data.pipeline": 2.04,
    "data.sides": 2.04,
    "data.export": 2.05,
    "identity": 2.05,
    "result": 2.05,
    "run_folder": 2.05,
    "task": 2.06,
    "losses": 2.11,
    "metrics": 2.10,
    "bootstrap": 2.10,
    "boundary": 2.11,
    "calibration": 2.11,
    "sampling": 2.10,
    "legacy_metrics": 2.11,
    "tracking_view": 2.05,
    "tracking_client": 2.10,
    "tracking": 2.11,
    "finished_runs": 2.12,
    "logged_runs": 2.12,
    "run_store": 2.12,
    "model_source": 2.13,
    "models.tuned": 2.07,
    "models.layers": 2.08,
    "models.half_resolution": 2.09,
    "models.blocks": 2.10,
    "models.paper": 2.11,
    "models.simple": 2.11,
    "models.catalog": 2.12,
    "training.counting": 3.00,
    "training.schedule": 3.00,
    "training.stopping": 3.00,
    "training.cost": 3.00,
    "training.gpu": 3.00,
    "training.compiled": 3.00,
    "training.optimizer": 3.00,
    "training.runtime": 3.01,
    "training.progress": 3.00,
    "training.history": 3.01,
    "training.checkpoint": 3.02,
    "training.loop": 3.03,
    "saved_model": 3.00,
    "reporting.drawing": 3.00,
    "reporting.page": 3.00,
    "reporting.placing": 3.00,
    "reporting.run_table": 3.00,
    "reporting.recommendation": 3.01,
    "reporting.shown_table": 3.02,
    "reporting.model_sizes": 3.02,
    "reporting.imagery": 3.00,
    "reporting.legend": 3.01,
    "reporting.chosen_images": 3.01,
    "reporting.figure3": 3.02,
    "reporting.run_curves": 3.05,
    "reporting.site_table": 3.03,
    "reporting.environment": 3.00,
    "reporting.evaluation": 3.03,
    "reporting.figures": 3.04,
    "reporting.terminal": 3.04,
    "reporting.dataset_figures": 3.05,
    "reporting.figure4": 3.05,
    "reporting.figure4_page": 3.05,
    "reporting.comparison_figures": 3.06,
    "reporting.comparison": 3.08,
    "reporting.run_groups": 3.03,
    "reporting.held_out": 3.07,
    "reporting.learning_curve": 3.07,
    "reporting.spread": 3.07,
    "reporting.ready_reports": 3.08,
    "reporting.examples": 3.06,
    "reporting.sweep_report": 3.09,
    "reporting.run_report": 3.30,
    "reporting.dataset_report": 3.07,
    "prediction.area": 3.10,
    "prediction.tiles": 3.10,
    "prediction.segment": 3.11,
    "prediction.folder": 3.12,
    "registry": 3.10,
    "sample_pairs": 3.13,
    "baselines.forest": 3.20,
    "baselines.majority": 3.20,
    "baselines.training_pixels": 3.20,
    "baselines.water_index": 3.20,
    "baselines.fit": 3.21,
    "evaluation.counts": 3.20,
    "evaluation.ground": 3.19,
    "evaluation.scores": 3.21,
    "evaluation.predicted": 3.21,
    "evaluation.judged": 3.21,
    "evaluation.beside_baselines": 3.23,
    "evaluation.assessment": 3.24,
    "evaluation.document": 3.25,
    "evaluation.figures": 3.25,
    "evaluation.page": 3.26,
    "evaluation.summary": 3.27,
    "card.facts": 3.30,
    "card.markdown": 3.30,
    "card.pictures": 3.30,
    "card.limits": 3.31,
    "card.scores": 3.31,
    "card.tables": 3.31,
    "card.words": 3.31,
    "card.collect": 3.32,
    "card.writing": 3.32,
    "card.refreshing": 3.33,
    "card.run_card": 3.33,
    "own_data": 3.35,
    "outcome": 3.35,
    "experiment": 4.0,
    "application": 4.0,
    "exhibits": 4.0,
    "publishing": 4.0,
    "judging": 4.0,
    "dataset": 4.0,
    "sweeps.ledger": 5.0,
    "sweeps.folder": 5.01,
    "sweeps.time_left": 5.002,
    "sweeps.progress": 5.005,
    "sweeps.records": 5.02,
    "sweeps.plan": 5.01,
    "sweeps.view": 5.01,
    "sweeps.search_space": 5.00,
    "sweeps.work": 5.00,
    "sweeps.search_storage": 5.00,
    "sweeps.pruning": 5.01,
    "sweeps.samplers": 5.01,
    "sweeps.search": 5.02,
    "sweeps.search_figures": 5.03,
    "sweeps.search_settings": 5.02,
    "sweeps.judge": 5.03,
    "sweeps.launching": 5.02,
    "sweeps.searcher": 5.04,
    "sweeps.job": 5.04,
    "sweeps.parent": 5.02,
    "sweeps.sweeper": 5.03,
    "sweeps.plugin": 5.05,
    "help": 5.0,
    "hydra_mode": 5.0,
    "command": 5.1,
    "importing": 5.2,
    "write_up": 5.03,
    "train": 6.0,
    "evaluate": 6.0,
    "predict": 6.0,
    "report": 6.0,
    "publish": 6.0,
    "make_dataset": 6.0,
    "import_config": 6.0,
}


def modules() -> dict[str, Path]:
    """Every module of the package, by dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        dotted = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not dotted.endswith("__init__") and not dotted.startswith("conf."):
            found[dotted] = path
    return found


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gym":
            inside = (node.module or "")[4:]
            for alias in node.names:
                dotted = f"{inside}.{alias.name}" if inside else alias.name
                names.add(dotted if dotted in FLOORS else inside)
    return names - {""}


def test_every_module_has_a_floor():
    """A new module must say where it stands."""
    assert set(modules()) == set(FLOORS)


@pytest.mark.parametrize("module", sorted(FLOORS))
def test_imports_only_descend(module):
    """A module imports from lower floors, and never from beside itself."""
    for imported in imports_of(modules()[module]):
        assert FLOORS[imported] < FLOORS[module], f"gym.{module} imports gym.{imported}"


def test_packages_import_nothing():
    """``import gym`` costs nothing, whatever part of it is wanted."""
    for path in PACKAGE.rglob("__init__.py"):
        kinds = {type(node) for node in ast.parse(path.read_text(encoding="utf-8")).body}
        assert kinds <= {ast.Expr, ast.Assign}, path


def test_verbs_are_thin():
    """A verb is at most 60 lines and holds no logic."""
    for module in (name for name, floor in FLOORS.items() if floor == 6):
        assert len(modules()[module].read_text(encoding="utf-8").splitlines()) <= 60
