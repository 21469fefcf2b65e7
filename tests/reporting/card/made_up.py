"""The contents of a made-up card, and an evaluation of the same run."""

from dataclasses import asdict, replace

import numpy as np

from gym import __version__
from gym.config.overrides import flatten
from gym.config.schema import Config
from gym.data.units import Units
from gym.reporting.card.collect import score_side
from gym.reporting.card.contents import CardContents, ClassSummary, Confusion, DataSummary, SideSummary, WorstImage
from tests.evaluation.test_run_model import make_evaluation

CLASSES = ["water", "sand"]
SITES = ["duck", "duck", "elwha"]
MATRICES = [[[90, 10], [5, 45]], [[80, 20], [10, 40]], [[60, 0], [30, 60]]]


def made_evaluation(matrices=MATRICES, sites=SITES, classes=CLASSES):
    """An evaluation of images with known confusion matrices."""
    return make_evaluation(matrices, sites, classes, kld_sums=[15.0] * len(sites))


def made_side(side="validation", scenes=None, units=None, **evaluation):
    """The scores of a side; each image is a scene of its own unless scenes are given, and each scene a unit."""
    made = made_evaluation(**evaluation)
    scenes = scenes or made.names
    return score_side(side, made, scenes, units or Units("scene", scenes))


def made_card(settings=None, data=None, **others):
    """The contents of a card, with some settings, fields of the data and other fields replaced."""
    sides = [
        SideSummary("training", 40, 30, {"duck": 25, "elwha": 15}),
        SideSummary("validation", 3, 3, {"duck": 2, "elwha": 1}),
    ]
    classes = [
        ClassSummary("water", "#0072b2", {"training": 6000, "validation": 260}),
        ClassSummary("sand", "#f0e442", {"training": 4000, "validation": 190}),
    ]
    card = CardContents(
        name="unet cce f6",
        run_id="0123456789abcdef0123456789abcdef",
        fingerprint="f" * 64,
        date="2022-05-23",
        settings=flatten(asdict(Config())) | (settings or {}),
        totals={"parameters": 12345.0, "trainable_parameters": 12000.0, "seconds": 61.0}
        | {"best_epoch": 7.0, "stopping_epoch": 9.0, "loss": 0.5},
        hashes={"the weights": "a" * 64, "model/model.keras": "b" * 64},
        provenance={"git_commit": "c" * 40, "version.segsweep": __version__, "precision": "float32"},
        split="random by scene: 0.25 for validation, 0 for test, seed 0",
        data=DataSummary(
            "43 images of a shore", "d" * 64, ["red", "nir"], "uint16", [10.0, 10.004], [], 0, 0, classes, sides
        ),
        scores=[made_side()],
        worst=[WorstImage("pair2", "elwha", 0.5, 0.75)],
        confusions=[Confusion("sand", "water", 0.24)],
    )
    return replace(card, data=replace(card.data, **(data or {})), **others)


def made_document(side="test", **others):
    """An evaluation as ``gym.evaluate`` writes it."""
    scores = made_side(side)
    boundary = {"boundary_iou": [0.31, 0.25, 0.35], "boundary_distance": [12.5, 11.0, 14.0]}
    boundary["boundary_missed"] = [0.125, 0.0, 0.25]
    errors = {"calibration_error": [0.081, 0.07, 0.09], "calibration_error_with_temperature": [0.012, 0.01, 0.02]}
    return {
        "version": 2,
        "run": {"id": "0" * 32, "name": "unet cce f6"},
        "side": side,
        "data": {"source": "other shores", "fingerprint": "e" * 64},
        "images": scores.images,
        "scenes": scores.scenes,
        "temperature": {"value": 1.375, "origin": "fitted on the run's validation images"},
        "boundary_width": 14,
        "overall": scores.overall | boundary | errors,
        "image_means": {"iou": [0.654, 0.6, 0.7]},
        "classes": {name: of | boundary for name, of in scores.classes.items()},
        "sites": scores.sites,
        "differences": {},
        "legacy": {},
        "baselines": {
            "descriptions": {"majority": "every pixel is water", "forest": "100 trees"},
            "contests": [
                {
                    "title": "all classes",
                    "scores": {
                        "model": {
                            "iou": [0.7, 0.6, 0.8],
                            "dice": [0.8, 0.7, 0.9],
                            "overall_accuracy": [0.9, None, None],
                        },
                        "majority": {
                            "iou": [0.25, 0.2, 0.3],
                            "dice": [0.3, 0.2, 0.4],
                            "overall_accuracy": [0.5, 0.4, 0.6],
                        },
                    },
                    "leads": {"majority": [0.45, 0.4, 0.5]},
                }
            ],
        },
    } | others


def as_matrix(rows):
    """A confusion matrix."""
    return np.array(rows, np.int64)
