"""The readers of this program. Nothing heavy is imported here.

To add one, write its module, register it here, and add its YAML to ``conf/data`` and a test.
"""

from gym.config.registries import READERS, ReaderEntry

_FILES = (
    *("images", "drop_from_stem", "classes", "bands", "remap", "ignore_values"),
    *("table", "scene_pattern", "site_pattern", "date_pattern"),
)
_ARCHIVES = {"archives": "[path/to/release.zip]"}

READERS.register(
    ReaderEntry(
        "synthetic",
        "synthetic coastal scenes",
        "gym.data.readers.synthetic:SyntheticReader",
        uses=("scenes", "sites", "seed"),
        classes=("water", "whitewater", "sand", "other"),
        bands=("red", "green", "blue", "nir", "swir"),
        site_pattern="^(.+)_[0-9]+$",
        licence="that of this program, which draws the scenes (MIT)",
    ),
    is_default=True,
)
READERS.register(
    ReaderEntry(
        "folder",
        "folders of images and labels",
        "gym.data.readers.folder:FolderReader",
        uses=(*_FILES, "labels"),
        needs={"images": "[path/to/images]", "labels": "path/to/labels"},
    )
)
READERS.register(
    ReaderEntry(
        "doodler",
        "files of Doodler",
        "gym.data.readers.npz:DoodlerReader",
        uses=(*_FILES, "archives", "aliases"),
        needs=_ARCHIVES,
        names_labels=True,
    )
)
READERS.register(
    ReaderEntry(
        "gym_npz",
        "files of Segmentation Gym",
        "gym.data.readers.npz:GymNpzReader",
        uses=(*_FILES, "archives"),
        needs=_ARCHIVES,
    )
)
