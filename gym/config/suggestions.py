"""Suggest the setting that is meant by a name of another program, such as ``lr``, or by a misspelt one."""

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from gym.config.groups import group_names

# Names that are common elsewhere and resemble no key of their meaning, in lower case with underscores.
_ELSEWHERE = {
    "schedule.max_rate": ("lr", "learning_rate", "max_lr", "base_lr", "lr0"),
    "schedule.start_rate": ("start_lr", "warmup_lr"),
    "schedule.min_rate": ("min_lr", "final_lr"),
    "schedule.rampup_epochs": ("warmup", "warmup_epochs"),
    "schedule": ("scheduler", "lr_scheduler"),
    "training.epochs": ("max_epochs", "num_epochs", "n_epochs", "nb_epochs", "num_train_epochs", "ep"),
    "training.batch": ("batch_size", "bs", "per_device_train_batch_size", "train_batch_size"),
    "training.patience": ("early_stopping", "early_stopping_patience"),
    "training.precision": ("amp", "fp16", "bf16", "half", "mixed_precision", "dtype"),
    "training.threads": ("num_threads", "cpus", "num_cpus"),
    "optimizer.weight_decay": ("wd",),
    "optimizer.clip_norm": ("grad_clip", "clip_grad", "max_grad_norm", "gradient_clip_val"),
    "optimizer": ("optim", "opt"),
    "model": ("arch", "architecture", "net", "network", "encoder", "backbone"),
    "loss": ("criterion", "loss_function", "loss_fn"),
    "model.filters": ("n_filters", "num_filters", "base_filters", "width", "channels", "base_channels"),
    "model.kernel": ("kernel_size",),
    "model.levels": ("depth", "num_layers", "n_layers"),
    "data.classes": ("n_classes", "num_classes", "nclasses", "nclass", "class_names"),
    "data.bands": ("n_bands", "num_bands", "n_data_bands", "in_channels", "band_names"),
    "data.size": ("img_size", "imgsz", "image_size", "target_size", "tile_size", "patch_size", "crop_size", "resize"),
    "data.images": ("image_dir", "images_dir", "img_dir", "data_dir", "data_path", "data_root", "dataset", "imagery"),
    "data.labels": ("label_dir", "labels_dir", "mask_dir", "masks", "mask"),
    "data.workers": ("num_workers", "n_workers"),
    "split.validation": ("val_split", "validation_split", "val_size", "val_fraction"),
    "split.test": ("test_split", "test_size", "test_fraction"),
    "split.folds": ("k", "kfolds", "n_folds", "n_splits"),
    "augment": ("augmentation", "augmentations", "aug"),
    "sweep.name": ("sweep_name", "study_name"),
    "search.trials": ("n_trials", "num_trials"),
    "tracking.experiment": ("experiment_name", "project"),
    "tracking.uri": ("tracking_uri", "mlflow_uri"),
    "seed": ("random_state", "random_seed", "manual_seed"),
    "run": ("model", "weights", "ckpt", "checkpoint", "run_id", "model_path"),
    "input": ("source", "images", "image", "src"),
    "output": ("out", "dst", "dest", "output_dir", "save_dir"),
    "outputs": ("outdir", "out_dir", "output", "output_dir", "out", "save_dir", "log_dir", "logdir"),
    "name": ("run_name", "exp_name"),
}
_DEVICES = re.compile(r"(use_)?(gpus?|cuda|device|devices|accelerator|gpu_ids?|set_gpu)")
_GPU = (
    "a GPU is used if TensorFlow finds one; choose it with the environment variable CUDA_VISIBLE_DEVICES=0, or use "
    "none with CUDA_VISIBLE_DEVICES=-1."
)


def suggest_key(name: str, known: Sequence[str]) -> str:
    """Return the key or group that a name may mean; empty if none comes close.

    Args:
        name: A name that is not among the known ones. Case and dashes do not matter.
        known: Dotted keys and groups.
    """
    plain = _simplify(name)
    if plain in known:
        return plain
    last = plain.rpartition(".")[2]
    meanings = {other: key for key, others in reversed(_ELSEWHERE.items()) if key in known for other in others}
    meanings |= {key.rpartition(".")[2]: key for key in reversed(known)}
    if found := meanings.get(plain) or meanings.get(last):
        return found
    if plain in group_names():  # of another command
        return ""
    whole = get_close_matches(plain, known, n=1, cutoff=0.8)
    part = [meanings[near] for near in get_close_matches(last, meanings, n=1, cutoff=0.75)]
    return next(iter([*whole, *part, *get_close_matches(plain, known, n=1, cutoff=0.5)]), "")


def _simplify(name: str) -> str:
    return name.lstrip("-").replace("-", "_").lower()


def explain_unknown_key(name: str, known: Sequence[str]) -> str:
    """Explain that a key is unknown, and suggest the one among the known keys that is meant."""
    return f"unknown key; {suggest(name, known)}"


def suggest(name: str, known: Sequence[str], complete: Callable[[str], str] = str) -> str:
    """Return a remedy for an unknown name, as in "did you mean training.epochs?".

    Args:
        name: The name.
        known: Dotted keys and groups.
        complete: Makes a setting of the suggested key.
    """
    if _DEVICES.fullmatch(_simplify(name)):
        return _GPU
    key = suggest_key(name, known)
    return f"did you mean {complete(key)}?" if key else "see --help for the keys."
