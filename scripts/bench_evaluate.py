"""Measure the cost of evaluating a model, apart from its predictions.

    python scripts/bench_evaluate.py               # 250 drawn scenes of 512x512; five minutes, most of them drawing

The model is a stand-in that adds noise to the truth, so that its boundaries are as ragged as a network's; its own time
is subtracted. Everything else is what ``python -m gym.evaluate`` does: counting, intervals, baselines, figures and
page, except for logging to MLflow and a network's weights and activations.

Memory is resident memory as Linux reports it. The scenes are drawn in a separate process, and the stand-in releases
each label, so that neither counts. The system can reclaim the part of the peak that belongs to files. The peak of a
worker is measured from its start, because ``getrusage`` would include that of its parent process.
"""

import argparse
import multiprocessing
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from scipy import ndimage

from gym.config.schema import AugmentConfig, DataConfig, SplitConfig
from gym.data.batches import SampleReader
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset
from gym.data.labels import IGNORE
from gym.data.samples import split_dataset
from gym.data.units import find_units
from gym.evaluation.assessment import AssessmentSettings, assess
from gym.evaluation.document import describe_assessment, write_document
from gym.evaluation.training_overlap import EvaluationSet, TrainingData
from gym.reporting.evaluation_page import write_page


class NoisyTruth:
    """A stand-in for a network that predicts the truth, smoothed and with noise, as class probabilities."""

    def __init__(self, labels: Iterator[np.ndarray], classes: int) -> None:
        self._labels, self._classes, self._at = labels, classes, 0
        self.seconds = 0.0

    def predict_on_batch(self, images: np.ndarray) -> np.ndarray:
        """Predict probabilities ``(batch, rows, columns, classes)`` for the next images."""
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


class Memory:
    """Records the memory of this process and its workers during a block."""

    def __init__(self) -> None:
        self.largest_anonymous = self.largest_of_worker = 0.0
        self._ended = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watching.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while not self._ended.wait(0.1):
            self.largest_anonymous = max(self.largest_anonymous, resident(this.pid, "RssAnon"))
            workers = [resident(worker.pid, "VmHWM") for worker in this.children()]
            self.largest_of_worker = max([self.largest_of_worker, *workers])


def resident(process: int, kind: str) -> float:
    """Read the memory of a process in GiB; 0 if it has ended.

    ``VmHWM`` is its peak, ``RssAnon`` its current memory without files.
    """
    try:
        found = re.search(rf"^{kind}:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0.0
    return int(found[1]) / 2**20 if found else 0.0


def draw_scenes(data: DataConfig, outputs: Path) -> None:
    """Build the dataset if it is missing, in another process so that its memory is released."""
    drawing = multiprocessing.get_context("spawn").Process(target=open_or_build_dataset, args=(data, outputs))
    drawing.start()
    drawing.join()


def main() -> None:
    """Draw missing scenes, evaluate the stand-in, and print time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=250)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--outputs", type=Path, default=Path(tempfile.gettempdir()) / "bench_evaluate")
    chosen = parser.parse_args()
    data = DataConfig(scenes=chosen.scenes + 50, size=chosen.size)
    draw_scenes(data, chosen.outputs)
    dataset = open_or_build_dataset(data, chosen.outputs)
    split = split_dataset(dataset, SplitConfig(validation=chosen.scenes / len(dataset)), copies=1)
    samples = list(split.validation)
    # Opened again for each label, so that none stays mapped.
    labels = (Dataset(dataset.folder).read_label(sample) for sample in samples)
    model = NoisyTruth(labels, len(dataset.manifest.classes))
    units = find_units(dataset, samples, SplitConfig(), "validation")
    known = TrainingData(dataset, split)
    evaluated = EvaluationSet(dataset, samples, "validation", AugmentConfig(), 0, known, units)
    at_start, started = resident(os.getpid(), "VmHWM"), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, Memory() as memory:
        assessment = assess(model, evaluated, AssessmentSettings(4, 0, 0, True, 0), Path(scratch))
        counted = time.perf_counter()
        document = describe_assessment(assessment, {}, {}, {})
        write_document(Path(scratch), document, assessment)
        read = SampleReader(dataset, AugmentConfig(), 0)
        write_page(Path(scratch), assessment, "stand-in", {}, dataset.bands, read, 0, {})
    took = time.perf_counter() - started
    Console().print(
        f"{len(samples)} scenes of {chosen.size}x{chosen.size}: {took - model.seconds:.1f} s without the predictions, "
        f"of which {took - (counted - started):.1f} s for files and figures; "
        f"peak memory {resident(os.getpid(), 'VmHWM'):.2f} GiB, of which {at_start:.2f} before the evaluation; "
        f"peak without files {memory.largest_anonymous:.2f} GiB; peak of a worker {memory.largest_of_worker:.2f} GiB; "
        f"mean IoU {assessment.overall['iou'].value:.3f}"
    )


if __name__ == "__main__":
    main()
