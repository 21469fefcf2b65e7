"""Write a made-up archive in the layout of the Coast Train release, with near and short-wave infrared beside it."""

from pathlib import Path

import numpy as np

from tests.data.imagery import npz_bytes, save_image, save_zip

# As in the published table of the Landsat 8 scenes.
CLASSES = (
    *("water", "whitewater", "sediment", "other_natural_terrain", "vegetated_surface", "agricultural"),
    *("development", "cloud", "nodata", "unusual", "unknown"),
)
# Name and size of each scene: at full size, one is larger than the frame of 512x512.
SCENES = {
    "duck_2014-01-04-15-36-14_L8_rgbr_ID2": (146, 113),
    "duck_2014-01-20-15-36-01_L8_rgbr_ID2": (146, 113),
    "ventura_2015-03-02-18-28-22_L8_rgbr_ID2": (300, 512),
    "ventura_2015-06-06-18-27-47_L8_rgbr_ID2": (640, 400),
}


def write_archive(folder: Path, scale: float = 1.0) -> list[str]:
    """Write ``L8.zip`` and two folders of single bands, and return the overrides that read them.

    Bands and classes both follow a diagonal, so that a network can learn something. Every class occurs in every scene.

    Args:
        folder: Existing folder to write to.
        scale: Factor of the sizes of `SCENES`.
    """
    entries = {}
    for number, (name, size) in enumerate(SCENES.items()):
        rows, columns = (max(11, round(scale * side)) for side in size)
        rng = np.random.default_rng(number)
        slope = np.add.outer(np.arange(rows) / rows, np.arange(columns) / columns) / 2
        label = np.minimum(slope * len(CLASSES), len(CLASSES) - 1).astype(int)
        bands = (20 + 18 * label[..., np.newaxis] + rng.integers(0, 12, (rows, columns, 5))).astype(np.uint8)
        one_hot = np.eye(len(CLASSES), dtype=np.uint8)[label]
        content = npz_bytes(image=bands[..., :3], label=one_hot, classes=np.array(CLASSES))
        entries[f"L8/npz/{name}.npz"] = content
        for band, kind in ((3, "nir"), (4, "swir")):
            save_image(folder / kind / f"{name}.png", bands[..., band : band + 1])
    save_zip(folder / "L8.zip", entries)
    return [f"data.archives=[{folder / 'L8.zip'}]", f"data.images=[{folder / 'nir'},{folder / 'swir'}]"]
