"""The functions by which plugins register their parts, as ``gym.register_architecture`` and so on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gym.config import registries
from gym.config.plugins import current_plugin
from gym.config.registries import Place, Style
from gym.core.errors import ConfigError, first_line
from gym.core.registry import Entry

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_MARKERS, _DASHES = [*"os^v<>Ddph*XP"], ["-", "--", ":", "-."]
_EXAMPLES = {"implementation": '"my_module:my_function"', "title": '"My net"'}
_PLAIN = (bool, int, float, str)
# Other metrics of a run, and columns of tables.
_TAKEN = {
    *("loss", "learning_rate", "stopping_epoch", "best_epoch", "seconds", "training_pairs", "training_steps", "name"),
    *("run_id", "status", "sweep", "started", "fingerprint"),
}
_RESERVED_PLACES = (Place.EPOCH, Place.SITE_REPORT)  # each has a fixed set of scores
# A score is shown at the first place only if it is computed at the second.
_SHOWN = {
    **dict.fromkeys((Place.HELD_OUT, Place.SPREAD, Place.FIGURE4, Place.MLFLOW, Place.OBJECTIVE), Place.RUN),
    **dict.fromkeys((Place.DIFFERENCES, Place.TERMINAL, Place.CALIBRATION), Place.EVALUATION),
    Place.SITE_TABLE: Place.SITE,
}
_SPARE_STYLES = (Style("#009e73", "P", "-"), Style("#e69f00", "v", "--"), Style("#999999", "X", ":"))


def register_architecture(
    name: str,
    implementation: str,
    *,
    title: str = "",
    colour: str = "",
    marker: str = "",
    dash: str = "",
    uses: Sequence[str] = (),
    options: type | None = None,
    work: float = 1.0,
) -> None:
    """Register an architecture; for plugins.

    Args:
        name: The value of ``model.name``.
        implementation: The function that builds it, as ``module:function``, imported on first use. It takes the model's
            configuration, the shape of an image, the number of classes and the layer that standardises, as
            `gym.models.unet.build_unet` does.
        title: Its name in figures; the default is ``name``.
        colour: Its colour in figures, as in ``#009e73``. Without colour, marker and dash an unused style is chosen.
        marker: Its marker in figures, as matplotlib names it.
        dash: The style of its lines, as matplotlib names it.
        uses: Optional keys of ``model`` that it looks at, such as ``decoder``.
        options: A dataclass of further keys, set with ``model.options={key:value}``; ``config.options`` holds them.
        work: Multiply-adds relative to the U-Net of the same width, for estimates of time.

    Raises:
        ConfigError: An argument breaks a rule, such as an option that is neither a number nor text nor a list of them,
            the name is taken, or no plugin is being loaded.
    """
    used = {entry.style.colour for entry in registries.ARCHITECTURES}
    spare = next((style for style in _SPARE_STYLES if style.colour not in used), Style())
    style = Style(colour or spare.colour, marker or spare.marker, dash or spare.dash)
    if not _COLOUR.fullmatch(style.colour):
        raise ConfigError(f"colour={colour} of architecture {name} must be a colour such as #009e73.")
    _check_choice("marker", style.marker, _MARKERS, f"architecture {name}")
    _check_choice("dash", style.dash, _DASHES, f"architecture {name}")
    common = _common(name, implementation, title, options)
    entry = registries.ArchitectureEntry(**common, uses=tuple(uses), style=style, work=work)
    registries.ARCHITECTURES.register(entry)


def register_loss(
    name: str, implementation: str, *, title: str = "", balances_classes: bool = False, options: type | None = None
) -> None:
    """Register a loss; for plugins.

    Args:
        name: The value of ``loss.name``.
        implementation: A `gym.models.losses.LossFormula`, as ``module:object``, imported on first use. With ``options``
            it is a function that takes them by name and returns one.
        title: Its name for readers; the default is ``name``.
        balances_classes: Whether it weights all classes equally by itself.
        options: A dataclass of further keys, set with ``loss.options={key:value}``.

    Raises:
        ConfigError: As for `register_architecture`.
    """
    common = _common(name, implementation, title, options)
    registries.LOSSES.register(registries.LossEntry(**common, balances_classes=balances_classes))


def register_reader(
    name: str,
    implementation: str,
    *,
    title: str = "",
    uses: Sequence[str] = (),
    needs: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    bands: Sequence[str] = (),
    site_pattern: str = "",
    names_labels: bool = False,
    licence: str = "",
    options: type | None = None,
) -> None:
    """Register a reader of labelled imagery; for plugins.

    Args:
        name: The value of ``data.kind``.
        implementation: A class or function, as ``module:object``, imported on first use. It takes the data
            configuration, a `gym.core.files.HashCache` and a folder for downloads, and returns a
            `gym.data.readers.base.Reader`.
        title: Its name for readers; the default is ``name``.
        uses: Optional keys of ``data`` that it looks at, such as ``images`` or ``classes``.
        needs: Those that must be given, each with an example of its value.
        classes: The class names, if they are known; else ``uses`` should have ``classes``.
        bands: The band names, if they are known.
        site_pattern: A regular expression whose first group in the name of a scene is its site.
        names_labels: Whether its files name their label values, so that ``data.remap`` takes names.
        licence: The licence that model cards state unless ``data.licence`` is given.
        options: A dataclass of further keys, set with ``data.options={key:value}``.

    Raises:
        ConfigError: As for `register_architecture`.
    """
    entry = registries.ReaderEntry(
        **_common(name, implementation, title, options),
        uses=tuple(uses),
        needs=dict(needs or {}),
        classes=tuple(classes),
        bands=tuple(bands),
        site_pattern=site_pattern,
        names_labels=names_labels,
        licence=licence,
    )
    registries.READERS.register(entry)


def register_score(
    name: str,
    implementation: str = "",
    *,
    by_class: str = "",
    reads: Sequence[str] = ("matrix",),
    title: str = "",
    meaning: str = "",
    highest_is_best: bool = True,
    places: Sequence[str] = ("run", "evaluation", "table", "objective"),
) -> None:
    """Register a score; for plugins.

    Args:
        name: Its name in tables, searches and MLflow.
        implementation: A function of the counts in ``reads``, as ``module:function``, imported on first use. It takes
            NumPy arrays with any number of leading axes, such as confusion matrices ``(..., classes, classes)``, and
            returns ``(...)``, NaN where the score is undefined.
        by_class: A function that returns ``(..., classes)``. Without ``implementation`` the score is its mean.
        reads: Fields of `gym.evaluation.counts.Counts` in the order of the arguments. A score of a run may read
            ``matrix`` and ``kld_sum`` only, because nothing else is counted at the end of training.
        title: Its name in figures; the default is ``name``.
        meaning: Its name in tables of scores, with the unit; the default is ``title``.
        highest_is_best: Its direction.
        places: Where it is computed and shown: values of `gym.config.registries.Place`, except ``epoch`` and ``site
            report``, whose scores are fixed.

    Raises:
        ConfigError: As for `register_architecture`.
    """
    owner, known = f"score {name}", [str(place) for place in Place if place not in _RESERVED_PLACES]
    for place in places:
        _check_choice("places", place, known, owner)
    for part in reads:
        _check_choice("reads", part, registries.COUNTS, owner)
    if name in _TAKEN:
        raise ConfigError(f"{owner} has the name of another number of a run; choose another name.")
    if not implementation and not by_class:
        raise ConfigError(f"{owner} must have an implementation or by_class; give one, as module:function.")
    entry = registries.ScoreEntry(
        **_common(name, implementation, title, None),
        by_class=by_class,
        reads=tuple(reads),
        meaning=meaning,
        highest_is_best=highest_is_best,
        places=frozenset(map(Place, places)),
    )
    _check_places(entry)
    registries.SCORES.register(entry)


def _check_places(entry: registries.ScoreEntry) -> None:
    """Raise `ConfigError` if what a score reads is not counted at one of its places."""
    in_training, by_image = "only matrix and kld_sum are counted at the end of training", "only matrix is kept by image"
    needs = {
        Place.RUN: (entry.is_counted_in_training, in_training),
        Place.SITE_CLASS: (entry.is_counted_in_training, in_training),
        Place.BASELINES: (entry.is_known_by_image, by_image),
    }
    for place, (is_counted, reason) in needs.items():
        if place in entry.places and not is_counted:
            raise ConfigError(
                f'score {entry.name} reads {", ".join(entry.reads)}, and {reason}; leave "{place}" out of its places.'
            )
    for place in entry.places & _SHOWN.keys():
        if (computed := _SHOWN[place]) not in entry.places:
            raise ConfigError(f'score {entry.name} is shown at "{place}"; add "{computed}", where it is computed.')


def register_exporter(name: str, implementation: str, *, title: str = "", options: type | None = None) -> None:
    """Register an export format; for plugins.

    Args:
        name: Its name.
        implementation: The function that writes it, as ``module:function``, imported on first use.
        title: Its name for readers; the default is ``name``.
        options: A dataclass of its keys.

    Raises:
        ConfigError: As for `register_architecture`.
    """
    registries.EXPORTERS.register(Entry(**_common(name, implementation, title, options)))


def _common(name: str, implementation: str, title: str, options: type | None) -> dict[str, Any]:
    plugin = current_plugin()
    if not plugin:
        raise ConfigError(
            f"{name} is registered outside a plugin; move the call into a module, and pass plugins=MODULE."
        )
    if not _NAME.fullmatch(name):
        raise ConfigError(f"the name {name!r} must be lowercase letters, digits and underscores, as in my_net.")
    for key, text in {"implementation": implementation, "title": title}.items():
        if not isinstance(text, str):
            raise ConfigError(f"{key}={text!r} of {name} must be text, as in {_EXAMPLES[key]}.")
    if options is not None:
        _check_options(options, name)
    known = {"name": name, "title": title or name, "implementation": implementation}
    return {**known, "options": options, "plugin": plugin}


def _check_choice(key: str, value: str, choices: Sequence[str], owner: str) -> None:
    if value not in choices:
        raise ConfigError(f"{key}={value} of {owner} must be one of {', '.join(choices)}.")


def _check_options(options: type, owner: str) -> None:
    """Raise `ConfigError` unless options can be written on a command line, logged, and read back unchanged."""
    if not (isinstance(options, type) and is_dataclass(options)):
        raise ConfigError(f"options={options!r} of {owner} must be a dataclass; write @dataclass above the class.")
    if options.__dataclass_params__.frozen:  # type: ignore[attr-defined] # OmegaConf could not set its values
        raise ConfigError(f"options={options.__name__} of {owner} must not be frozen; write @dataclass without frozen.")
    try:
        hints = get_type_hints(options)
        OmegaConf.structured(options)
    except (NameError, TypeError, ValueError, OmegaConfBaseException) as error:
        raise ConfigError(
            f"options={options.__name__} of {owner} cannot be read ({type(error).__name__}: "
            f"{first_line(error).rstrip(':.')}); correct its annotations or defaults."
        ) from error
    for item in fields(options):
        if not all(map(_is_plain, _alternatives(hints[item.name]))):
            raise ConfigError(
                f"options={options.__name__} of {owner}: {item.name} must be a bool, int, float or str, a list of one "
                "of these, or None; convert it where it is used."
            )


def _alternatives(hint: Any) -> list[Any]:
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else [hint]
    return [part for part in parts if part is not NoneType]


def _is_plain(hint: Any) -> bool:
    if get_origin(hint) is list:
        return all(part in _PLAIN for part in get_args(hint))
    return hint in _PLAIN
