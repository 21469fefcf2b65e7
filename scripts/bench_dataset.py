"""Compare the dataset builder and reader with the original program's processing of each image.

    python scripts/bench_dataset.py                  # 200 and 2,000 scenes of 512x512x5; a quarter of an hour, 8 GB
    python scripts/bench_dataset.py --scenes 20,60   # a quick look

The original's processing is reimplemented from its description: read with scikit-image, resize, one-hot, a compressed
npz; then five copies by an affine transform of image and one-hot label, each a compressed npz; reading through
``np.load`` in a ``py_function``. It is timed on a few images, because its cost per image is constant, and in one
process, as the original runs. This program is started as a user starts it, on all cores, and again in one
process (``data.workers=1``) for a fair ratio. All files are read once before timing, so that the disk does not count.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import rasterio
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import ndimage
from skimage.io import imread, imsave
from skimage.transform import resize

from gym.core.parallel import available_cores
from gym.data.readers.synthetic import BANDS, CLASSES, IGNORE, draw_scene

SIDE, COPIES, DRAWN, ORIGINALS, REPEATS = 512, 5, 24, 8, 3


def write_scenes(folder: Path, count: int) -> None:
    """Write ``count`` different 5-band TIFFs with PNG labels: some are drawn, the others are shifted copies of them."""
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    drawn = [draw_scene(0, index, SIDE, SIDE) for index in track(range(min(count, DRAWN)), "drawing", transient=True)]
    for number in track(range(count), "writing scenes", transient=True):
        scene, shift = drawn[number % len(drawn)], 37 * (number // len(drawn))
        image = np.roll(np.minimum(scene.image // 32, 255).astype(np.uint8), shift, axis=1)
        label = np.roll(np.where(scene.label == IGNORE, 0, scene.label), shift, axis=1).astype(np.uint8)
        options = {"driver": "GTiff", "height": SIDE, "width": SIDE, "count": len(BANDS), "dtype": "uint8"}
        options |= {"crs": "EPSG:32610", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 4e6)}
        with rasterio.open(folder / "images" / f"scene_{number:05d}.tif", "w", compress="deflate", **options) as file:
            file.write(np.moveaxis(image, -1, 0))
        imsave(folder / "labels" / f"scene_{number:05d}.png", label, check_contrast=False)


def time_original(folder: Path, out: Path, count: int) -> tuple[float, float]:
    """Time the original program in seconds per image, without copies and with five copies."""
    out.mkdir()
    alone, seconds = [], []
    rng = np.random.default_rng(0)
    for path in sorted((folder / "images").iterdir())[:count]:
        started = time.perf_counter()
        image = resize(imread(path), (SIDE, SIDE), preserve_range=True, clip=True).astype(np.uint8)
        label = imread(folder / "labels" / f"{path.stem}.png")
        label = resize(label, (SIDE, SIDE), order=0, preserve_range=True, anti_aliasing=False).astype(np.uint8)
        one_hot = (label[..., None] == np.arange(len(CLASSES))).astype(np.uint8)
        np.savez_compressed(out / f"{path.stem}_noaug.npz", arr_0=image, arr_1=one_hot)
        alone.append(time.perf_counter() - started)
        for copy in range(COPIES):
            drawn = rng.uniform(-1, 1, 4)
            moved, moved_label = (move_channels(values, drawn) for values in (image, one_hot))
            np.savez_compressed(out / f"{path.stem}_aug_{copy}.npz", arr_0=moved, arr_1=moved_label)
        seconds.append(time.perf_counter() - started)
    return statistics.median(alone), statistics.median(seconds)


def move_channels(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Zoom, rotate, shift and flip channel by channel, as Keras' ImageDataGenerator does."""
    angle, scale = np.deg2rad(3 * drawn[0]), 1 + 0.05 * drawn[1]
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array(values.shape[:2]) / 2 - 0.5
    offset = centre - matrix @ centre + 0.05 * SIDE * drawn[2:]
    channels = np.moveaxis(values, -1, 0)
    moved = [ndimage.affine_transform(channel, matrix, offset, order=1, mode="nearest") for channel in channels]
    return np.stack(moved, axis=-1)[:, :: 1 if drawn[0] < 0 else -1]


def make_dataset(folder: Path, outputs: Path, *more: str) -> tuple[float, float]:
    """Build a dataset as a user does; return the seconds and the peak memory of all its processes in GiB."""
    command = [sys.executable, "-m", "gym.make_dataset", f"outputs={outputs}", "data=folder", f"data.size={SIDE}"]
    command += [f"data.images=[{folder}/images]", f"data.labels={folder}/labels", f"data.classes=[{','.join(CLASSES)}]"]
    started = time.perf_counter()
    with subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL) as process:
        peak = watch_memory(process.pid, process.poll)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return time.perf_counter() - started, peak


def watch_memory(pid: int, ended: Callable[[], object]) -> float:
    """Measure the peak memory of a process and its children in GiB, without mapped files."""
    peak = 0
    while ended() is None:
        try:
            family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
            used = [process.memory_info() for process in family]
            peak = max(peak, sum(memory.rss - memory.shared for memory in used))
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.1)
    return peak / 2**30


def measure_reading(outputs: Path, npzs: Path) -> dict[str, float]:
    """Measure images per second of the dataset, of its augmented copies, and of ``np.load``."""
    import tensorflow as tf

    from gym.config.schema import AugmentConfig
    from gym.data.batches import ordered_batches
    from gym.data.dataset import Dataset

    dataset = Dataset(next(path for path in (outputs / "stores").iterdir() if (path / "manifest.json").exists()))
    paths = sorted(str(path) for path in npzs.glob("*.npz"))

    def load(path: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
        with np.load(path.numpy().decode()) as arrays:
            return arrays["arr_0"], arrays["arr_1"]

    positions = range(min(len(dataset), 200))
    copies = [len(dataset) * (copy + 1) + position for copy in range(COPIES) for position in positions][:400]
    theirs = tf.data.Dataset.from_tensor_slices(paths)
    theirs = theirs.map(lambda path: tf.py_function(load, [path], [tf.uint8, tf.uint8]), tf.data.AUTOTUNE).batch(8)
    return {
        "dataset": rate(lambda: ordered_batches(dataset, list(positions) * 4, 8), 4 * len(positions)),
        "copies": rate(lambda: ordered_batches(dataset, copies, 8, AugmentConfig(), 0), len(copies)),
        "npz": rate(lambda: theirs, len(paths)),
    }


def rate(batches: Callable[[], object], images: int) -> float:
    """Return the median number of images per second over several passes, after one warm-up pass."""
    passes = []
    for _ in range(REPEATS + 1):
        started = time.perf_counter()
        for _ in batches():
            pass
        passes.append(images / (time.perf_counter() - started))
    return statistics.median(passes[1:])


def measure(count: int, work: Path) -> dict[str, float]:
    """Measure everything for ``count`` scenes."""
    folder, outputs, npzs = work / "scenes", work / "outputs", work / "npzs"
    write_scenes(folder, count)
    for path in folder.rglob("*.*"):
        path.read_bytes()
    theirs_alone, theirs = time_original(folder, npzs, ORIGINALS)
    seconds, peak = make_dataset(folder, outputs)
    found, _ = make_dataset(folder, outputs)
    seconds_in_one, _ = make_dataset(folder, work / "outputs_of_one", "data.workers=1")
    read = measure_reading(outputs, npzs)
    size = sum(path.stat().st_size for path in (outputs / "stores").rglob("*.npy")) / count / 2**20
    return {
        "scenes": count,
        "ours": (seconds - found) / count,
        "ours_in_one": (seconds_in_one - found) / count,
        "start": found,
        "theirs": theirs,
        "theirs_alone": theirs_alone,
        "peak": peak,
        "megabytes": size,
        "with_copies": (seconds - found) / count + COPIES / read["copies"],
    } | {f"read_{name}": value for name, value in read.items()}


def print_results(results: list[dict[str, float]]) -> None:
    """Print the measurements and their ratios."""
    table = Table("", *(f"{row['scenes']:,.0f} scenes" for row in results))
    lines: dict[str, Callable[[dict[str, float]], str]] = {
        f"build on all {available_cores()} cores, ms per image": lambda row: f"{1e3 * row['ours']:.1f}",
        "  including five augmented copies": lambda row: f"{1e3 * row['with_copies']:.1f}",
        "original in one process, with five copies, ms per image": lambda row: f"{1e3 * row['theirs']:.0f}",
        "  vs build on all cores, copies augmented in training": lambda row: f"{row['theirs'] / row['ours']:.0f}x",
        "  vs build on all cores, including five copies": lambda row: f"{row['theirs'] / row['with_copies']:.0f}x",
        "build in one process, ms per image": lambda row: f"{1e3 * row['ours_in_one']:.1f}",
        "original in one process, without copies, ms per image": lambda row: f"{1e3 * row['theirs_alone']:.0f}",
        "  vs build in one process": lambda row: f"{row['theirs_alone'] / row['ours_in_one']:.1f}x",
        "start-up, report and pictures, s": lambda row: f"{row['start']:.1f}",
        "peak memory, GiB": lambda row: f"{row['peak']:.2f}",
        "dataset, MiB per image": lambda row: f"{row['megabytes']:.2f}",
        "reading, images/s": lambda row: f"{row['read_dataset']:.0f}",
        "  with augmentation, images/s": lambda row: f"{row['read_copies']:.0f}",
        "np.load in a py_function, images/s": lambda row: f"{row['read_npz']:.1f}",
        "  vs np.load": lambda row: f"{row['read_dataset'] / row['read_npz']:.0f}x",
    }
    for name, format_value in lines.items():
        table.add_row(name, *map(format_value, results))
    Console().print(table)


def main() -> None:
    """Measure each number of scenes in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", default="200,2000", help="numbers of scenes, separated by commas")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--work", type=Path, help="folder for temporary files")
    given = parser.parse_args()
    results = []
    for count in map(int, given.scenes.split(",")):
        work = Path(tempfile.mkdtemp(dir=given.work))
        try:
            results.append(measure(count, work))
        finally:
            shutil.rmtree(work)
    print_results(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
