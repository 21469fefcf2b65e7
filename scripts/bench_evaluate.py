"""Measure what judging a model costs beside its predictions.

    python scripts/bench_evaluate.py               # 250 drawn scenes of 512x512; five minutes, most of them drawing

The model is a stand-in that knows the truth and adds noise to it, so that its boundaries are as ragged as a network's;
the time it takes is left out. All else is what ``python -m gym.evaluate`` does: counting, intervals, baselines,
pictures and page. Memory is the largest resident size of this process, and of the largest of its workers.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import ndimage

from gym.config import AugmentConfig, DataConfig, SplitConfig
from gym.data.build import open_or_build_store
from gym.data.labels import IGNORE
from gym.data.pipeline import SampleReader
from gym.data.sides import split_store
from gym.evaluation.assessment import Settings, assess
from gym.evaluation.document import describe_assessment, write_document
from gym.evaluation.judged import Judged, Own
from gym.evaluation.page import write_page


class NoisyTruth:
    """A stand-in for a network: the smoothed truth with noise, as class scores."""

    def __init__(self, labels: list[np.ndarray], classes: int) -> None:
        self._labels, self._classes, self._at = iter(labels), classes, 0
        self.seconds = 0.0

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Scores ``(batch, rows, columns, classes)`` of the next images."""
        started = time.perf_counter()
        scores = np.stack([self._score(next(self._labels)) for _ in range(len(images))])
        self.seconds += time.perf_counter() - started
        return scores

    def _score(self, label: np.ndarray) -> np.ndarray:
        self._at += 1
        noise = np.random.default_rng(self._at).normal(size=(*label.shape, self._classes)).astype(np.float32)
        sure = np.eye(self._classes, dtype=np.float32)[np.where(label == IGNORE, 0, label)]
        logits = ndimage.gaussian_filter(6 * sure, (3, 3, 0)) + 12 * ndimage.gaussian_filter(noise, (3, 3, 0))
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)


def main() -> None:
    """Draw the scenes where they are not there yet, judge the stand-in, print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=250)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--outputs", type=Path, default=Path(tempfile.gettempdir()) / "bench_evaluate")
    chosen = parser.parse_args()
    store = open_or_build_store(DataConfig(scenes=chosen.scenes + 50, size=chosen.size), chosen.outputs)
    split = split_store(store, SplitConfig(validation=chosen.scenes / len(store)), AugmentConfig())
    samples = list(split.validation)
    model = NoisyTruth([store.read_label(sample) for sample in samples], len(store.manifest.classes))
    judged = Judged(store, samples, "judged", AugmentConfig(), 0, Own(store, split))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        assessment = assess(model, judged, Settings(4, 0, 0, True, 0), Path(scratch))
        counted = time.perf_counter()
        document = describe_assessment(assessment, {}, {}, {})
        write_document(Path(scratch), document, assessment)
        read = SampleReader(store, AugmentConfig(), 0)
        write_page(Path(scratch), assessment, "stand-in", {}, store.bands, read, 0, {})
    took = time.perf_counter() - started
    peaks = [resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    Console().print(
        f"{len(samples)} scenes of {chosen.size}x{chosen.size}: {took - model.seconds:.1f} s beside the predictions, "
        f"{took - (counted - started):.1f} s of it for files and pictures; "
        f"peak {peaks[0]:.2f} GiB, of a worker {peaks[1]:.2f} GiB; mean IoU {assessment.overall['iou'].value:.3f}"
    )


if __name__ == "__main__":
    main()
