"""Tests of the fingerprint of a dataset: what changes it and what does not."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gym.config.schema import DataConfig
from gym.data import build
from gym.data.build import open_or_build_dataset, plan_dataset
from tests.data.imagery import (
    WRITERS,
    draw_image,
    draw_label,
    save_image,
    write_band_sets,
    write_folder,
)

SYNTHETIC = DataConfig(kind="synthetic", size=32, scenes=3, workers=1)


def fingerprint(config: DataConfig, outputs: Path) -> str:
    return plan_dataset(config, outputs / "stores", outputs / "downloads").fingerprint()


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "synthetic"])
def test_a_dataset_is_found_after_its_sources_are_moved(tmp_path, kind):
    """Neither the location nor the modification time of files matters, even of files left out."""
    source = WRITERS[kind](tmp_path / "first")
    lonely = tmp_path / "first" / ("lonely.npz" if source.config.archives else "images/lonely.png")
    lonely.parent.mkdir(exist_ok=True)
    lonely.write_bytes(b"broken")
    before = fingerprint(source.config, tmp_path)
    (tmp_path / "first").rename(tmp_path / "second")
    moved = replace(
        source.config,
        **{
            key: [place.replace("/first", "/second") for place in getattr(source.config, key)]
            for key in ("images", "archives")
        },
        labels=source.config.labels.replace("/first", "/second"),
    )
    for path in (tmp_path / "second").rglob("*"):
        os.utime(path)

    assert fingerprint(moved, tmp_path / "elsewhere") == before


@pytest.mark.parametrize("change", [{"workers": 2}, {"strict": True}, {"standardize": "dataset"}])
def test_keys_that_do_not_change_a_dataset_do_not_change_its_fingerprint(tmp_path, change):
    """They concern how it is read and what the network does with it."""
    source = write_folder(tmp_path / "s")

    assert fingerprint(replace(source.config, **change), tmp_path) == fingerprint(source.config, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 64},
        {"size": [48, 32]},
        {"framing": "resize"},
        {"framing": "tile", "overlap": 0.5},
        {"scaling": "dtype"},
        {"scaling": "percentile", "percentiles": [1.0, 99.0]},
        {"scaling": "reflectance", "reflectance": [1e-3, 0.0]},
        {"bands": ["r", "g", "b"]},
        {"indices": ["x=red-green"]},
        {"classes": ["land", "sand", "other"]},
        {"classes": ["water", "sand", "other", "more"]},
        {"remap": {0: 0, 1: 1, 2: 2}},
        {"remap": {0: 0, 1: 1, 2: 1}},
        {"remap": {"0": 0, "1": 1, "2": 2}},
        {"ignore_values": [2]},
        {"ignore_values": ["2"]},
        {"scene_pattern": "(.)"},
        {"site_pattern": "(.)"},
        {"date_pattern": "(.)"},
    ],
)
def test_keys_that_change_a_dataset_change_its_fingerprint(tmp_path, change):
    """No two changes of pixels, classes or groups share a fingerprint."""
    source = write_folder(tmp_path / "s")
    names = {
        fingerprint(replace(source.config, **keys), tmp_path)
        for keys in ({}, change, {"size": 80}, {"remap": {0: 2, 1: 1, 2: 0}})
    }

    assert len(names) == 4


def test_the_value_2_differs_from_the_name_2(tmp_path):
    """Ignoring or mapping a value differs from ignoring or mapping a name that looks the same."""
    source = write_folder(tmp_path / "s")
    names = {
        fingerprint(replace(source.config, **change), tmp_path)
        for change in (
            {"ignore_values": [2]},
            {"ignore_values": ["2"]},
            {"remap": {0: 0, 1: 1, 2: 2}},
            {"remap": {0: 0, 1: 1, "2": 2}},
        )
    }

    assert len(names) == 4


@pytest.mark.parametrize("change", [{"seed": 1}, {"sites": 7}, {"scenes": 4}, {"size": 48}])
def test_another_synthetic_configuration_has_another_fingerprint(tmp_path, change):
    """Each key that changes the scenes counts."""
    assert fingerprint(replace(SYNTHETIC, **change), tmp_path) != fingerprint(SYNTHETIC, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: save_image(root / "images" / "b.png", draw_image(9)),
        lambda root: save_image(root / "labels" / "b.png", draw_label(9)),
        lambda root: (root / "images" / "a.png").rename(root / "images" / "d.png"),
        lambda root: [(root / kind / "c.png").rename(root / kind / "d.png") for kind in ("images", "labels")],
        lambda root: (root / "labels" / "c.png").unlink(),
        lambda root: save_image(root / "images" / "d.png", draw_image(9)),
        lambda root: [
            (root / kind / f"{old}.png").rename(root / kind / f"{new}.png")
            for kind in ("images", "labels")
            for old, new in (("a", "x"), ("b", "a"), ("x", "b"))
        ],
        lambda root: (root / "table.csv").write_text("name,site\na,y\nb,x\nc,x\n"),
        lambda root: (root / "table.csv").write_text("name,site,tide\na,x,low\nb,x,low\nc,x,low\n"),
        lambda root: (root / "aliases.json").write_text('{"surf": "sand"}'),
    ],
    ids=[
        "image",
        "label",
        "image renamed",
        "scene renamed",
        "removed",
        "added",
        "swapped",
        "table",
        "column",
        "aliases",
    ],
)
def test_a_changed_file_changes_the_fingerprint(tmp_path, change):
    """Files are corrected in place, renamed, removed or added, and two scenes swap names."""
    source = write_folder(tmp_path / "s")
    (tmp_path / "s" / "table.csv").write_text("name,site\na,x\nb,x\nc,x\nd,x\n")
    (tmp_path / "s" / "aliases.json").write_text('{"surf": "water"}')
    source.config.table = str(tmp_path / "s" / "table.csv")
    source.config.aliases = str(tmp_path / "s" / "aliases.json")
    before = fingerprint(source.config, tmp_path)
    change(tmp_path / "s")

    assert fingerprint(source.config, tmp_path) != before


def test_the_order_of_band_sets_changes_the_fingerprint(tmp_path):
    """Near infra-red before red is another image."""
    source = write_band_sets(tmp_path / "s")
    turned = replace(source.config, images=source.config.images[::-1])

    assert fingerprint(turned, tmp_path) != fingerprint(source.config, tmp_path)


def test_a_corrected_label_builds_another_dataset(tmp_path):
    """The old dataset stays for runs that used it."""
    source = write_folder(tmp_path / "s")
    first = open_or_build_dataset(source.config, tmp_path)
    save_image(tmp_path / "s" / "labels" / "a.png", np.full((20, 40), 1, np.uint8))

    second = open_or_build_dataset(source.config, tmp_path)

    assert second.folder != first.folder
    assert second.counts[0].tolist() == [0, 800, 0]
    assert first.folder.is_dir()


def test_the_version_of_the_layout_changes_the_fingerprint(tmp_path, monkeypatch):
    """A program with another layout never opens older datasets."""
    before = fingerprint(SYNTHETIC, tmp_path)
    monkeypatch.setattr(build, "SCHEMA_VERSION", 99)

    assert fingerprint(SYNTHETIC, tmp_path) != before
