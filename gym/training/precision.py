"""Choose the data type of training by measurement, once per machine.

A processor's flags do not tell whether bfloat16 is fast: of those with AVX512_BF16 and without AMX, some are 1.6 times
slower in it than in float32, others twice as fast. So the convolutions of a U-Net are timed in a process of their own,
and the times are kept in the user's cache. TensorFlow is not imported here.
"""

import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from gym.core.errors import first_line
from gym.core.files import hash_value, read_json, write_json
from gym.core.parallel import available_cores
from gym.core.text import pluralize
from gym.core.typed_json import build

DEFAULT = "float32"
MEASURED = "precision_measured"  # key of MLflow tags and of sweep.json, for the reason of a choice
CHALLENGERS = ("mixed_bfloat16",)  # float16 would need its loss scaled, and overflows
MARGIN = 1.1  # by which a challenger must be faster than float32, in every round
_PATIENCE = 300.0  # seconds
# Files of Linux; elsewhere the platform module describes the processor.
_PROCESSOR = Path("/proc/cpuinfo")
_GPUS = Path("/proc/driver/nvidia/gpus")
# These change which instructions or devices are used.
_VARIABLES = (
    *(f"{prefix}_{name}" for prefix in ("ONEDNN", "DNNL") for name in ("MAX_CPU_ISA", "DEFAULT_FPMATH_MODE")),
    *("TF_ENABLE_ONEDNN_OPTS", "CUDA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE"),
)

log = logging.getLogger(__name__)


class Choice(NamedTuple):
    """The data type that ``training.precision=auto`` stands for on a machine.

    Attributes:
        precision: ``float32`` or ``mixed_bfloat16``.
        reason: What was measured, in one line.
    """

    precision: str
    reason: str


def choose_precision(threads: int = 0) -> Choice:
    """Return the fastest data type on this machine; float32 unless another one is 10 % faster in every round.

    The first call on a machine measures, in some seconds; later ones read the cache. The key of the cache is the
    processor, its instruction set, the GPUs, the versions of the libraries, and the number of threads.

    Args:
        threads: CPU threads of the training; 0 means all that this process may use.
    """
    try:
        machine = describe_machine(threads or available_cores())
        seconds = _read_or_measure(machine)
    except (OSError, ValueError, LookupError, RuntimeError, subprocess.SubprocessError) as error:
        reason = first_line(error)
        log.warning(
            "training.precision=auto cannot be measured (%s); float32 is used, unless you set another data type", reason
        )
        return Choice(DEFAULT, f"not measured: {reason}")
    return Choice(fastest(seconds), describe_seconds(seconds, machine))


def fastest(seconds: Mapping[str, list[float]]) -> str:
    """Return the data type to use, given the seconds of each round by data type, of interleaved rounds."""
    base = seconds[DEFAULT]
    totals = {
        name: sum(rounds)
        for name, rounds in seconds.items()
        if all(slow > MARGIN * fast for slow, fast in zip(base, rounds, strict=True))
    }
    return min(totals, key=lambda name: totals[name]) if totals else DEFAULT


def describe_seconds(seconds: Mapping[str, list[float]], machine: Mapping[str, str]) -> str:
    """Describe a measurement in one line."""
    times = [f"{1000 * sorted(rounds)[len(rounds) // 2]:.1f} ms in {name}" for name, rounds in seconds.items()]
    times += [f"fail in {name}" for name in CHALLENGERS if name not in seconds]
    limit = "ONEDNN_MAX_CPU_ISA"  # oneDNN ignores a value that it does not know
    limit = f" under {limit}={machine[limit]}" if machine.get(limit) else ""
    device = machine["gpus"] or f"{machine['processor']}{limit}"
    return f"convolutions take {', '.join(times)} on {device} with {pluralize(int(machine['threads']), 'thread')}"


def describe_machine(threads: int) -> dict[str, str]:
    """Describe everything that the times depend on."""
    packages = {name: metadata.version(name) for name in ("tensorflow", "keras")}
    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return {**_describe_devices(), **packages, **variables, "threads": str(threads)}


def _describe_devices() -> dict[str, str]:
    text = _PROCESSOR.read_text(encoding="utf-8", errors="replace") if _PROCESSOR.exists() else ""
    known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
    identity = {key: known.get(key, "") for key in ("vendor_id", "cpu family", "model", "flags", "Features")}
    gpus = [path.read_text(encoding="utf-8") for path in sorted(_GPUS.glob("*/information"))]
    models = [line.partition(":")[2].strip() for gpu in gpus for line in gpu.splitlines() if line.startswith("Model:")]
    models = [] if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") else models
    name = known.get("model name") or platform.processor() or platform.machine()
    return {"processor": name, "instructions": hash_value([platform.machine(), identity]), "gpus": ", ".join(models)}


def cache_file() -> Path:
    """Return the file of the measurements, in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "segsweep" / "precision.json"


def _read_or_measure(machine: Mapping[str, str]) -> dict[str, list[float]]:
    path, key = cache_file(), hash_value(dict(machine))[:16]
    with _lock(path):  # so that the workers of a sweep do not measure at the same time
        known = _read_cache(path)
        if key not in known:
            log.info("measuring once whether bfloat16 is faster than float32 on this machine (training.precision=auto)")
            known[key] = {"machine": dict(machine), "seconds": _measure(int(machine["threads"]))}
            try:
                write_json(path, known)
            except OSError as error:
                log.warning("the measurement cannot be kept in %s (%s)", path, first_line(error))
    return dict(known[key]["seconds"])


def _lock(path: Path) -> AbstractContextManager[Any]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_suffix(".lock"))
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            log.info("waiting for another process, which measures for training.precision=auto")
            return lock.acquire(timeout=_PATIENCE)
    except OSError:  # without a writable home, each process measures by itself
        return nullcontext()


def _read_cache(path: Path) -> dict[str, Any]:
    """Read the measurements that are complete; a damaged file counts as empty."""
    try:
        raw = build(dict[str, Any], read_json(path))
    except (OSError, ValueError):
        return {}
    return {key: entry for key, entry in raw.items() if _is_complete(entry)}


def _is_complete(entry: Any) -> bool:
    try:
        seconds = build(dict[str, list[float]], build(dict[str, Any], entry).get("seconds"))
    except ValueError:
        return False
    rounds, names = len(seconds.get(DEFAULT, [])), {DEFAULT, *CHALLENGERS}
    is_whole = rounds > 0 and seconds.keys() <= names and all(len(times) == rounds for times in seconds.values())
    return is_whole and all(0 < time < _PATIENCE for times in seconds.values() for time in times)


def _measure(threads: int) -> dict[str, list[float]]:
    """Time the data types in a process of their own, which leaves the threads and memory of this one alone."""
    # With -P, a folder gym in the current folder does not hide this package.
    command = [sys.executable, "-P", "-m", "gym.training.precision_timing", str(threads), DEFAULT, *CHALLENGERS]
    paths = os.pathsep.join(path for path in (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")) if path)
    done = subprocess.run(  # noqa: S603 - our own module
        command, capture_output=True, text=True, timeout=_PATIENCE, check=False, env={**os.environ, "PYTHONPATH": paths}
    )
    if done.returncode:
        raise ValueError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1])
    measured: dict[str, list[float]] = build(dict[str, list[float]], json.loads(done.stdout.splitlines()[-1]))
    return measured
