"""Draw synthetic satellite scenes of coasts, with a true label for every pixel.

A scene shows a site, with a character of its own, on one date. Lengths are in pixels, and reflectances are in [0, 1]
until the last step. Pixels that are ambiguous by themselves are resolved by their surroundings: whitewater is near an
open shore, whereas glint and cloud may be anywhere; sand is on an open shore, whereas bright ground inland is "other".
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy import ndimage

from gym.config.schema import DataConfig, parse_size
from gym.core.errors import DataError
from gym.core.files import HashCache, hash_value
from gym.data.labels import IGNORE
from gym.data.readers.base import RawScene
from gym.data.readers.terrain import bump, distance_to, draw_parcels, fractal_noise, keep_large, keep_touching, ramp

BANDS = ("red", "green", "blue", "nir", "swir")
CLASSES = ("water", "whitewater", "sand", "other")
SITES = ("duck", "galveston_east", "galveston_west", "klamath", "klamath_region", "ocean_beach", "sunset", "ventura")
_MIN_SIDE = 32

_WATER, _WHITEWATER, _SAND, _OTHER = range(len(CLASSES))
_SCALE = 10_000
_SATURATED = 16_000
# Version of the drawing, part of the fingerprint of every synthetic dataset: replace it whenever a pixel changes.
# It consists of the SHA-256 of the two modules that drew the first scenes, so that older datasets are still found.
_DRAWING = (
    "39ca79e695d91f88efd48f5af0a0c4a79a560f7bd9083c483df5e12c0e93a72c",
    "71ed919e5c6035dc324d64757bb2ccf04bee7fe8c8d9fe74595634a34feb75c3",
)
_SITE_STREAM, _SCENE_STREAM = 0, 1
_BLURS = (0.7, 0.7, 0.7, 0.7, 1.1)  # standard deviation of the sensor's point spread in each band, in pixels

# Reflectances in the order of BANDS. Bare ground resembles sand, and wet sand resembles turbid water, on purpose.
_SIGNATURES = {
    "deep": (0.020, 0.038, 0.060, 0.010, 0.005),
    "shallow": (0.050, 0.095, 0.105, 0.016, 0.007),
    "turbid": (0.140, 0.135, 0.100, 0.065, 0.020),
    "foam": (0.400, 0.410, 0.410, 0.310, 0.150),
    "dry sand": (0.310, 0.265, 0.205, 0.370, 0.420),
    "wet sand": (0.150, 0.132, 0.105, 0.130, 0.085),
    "vegetation": (0.045, 0.075, 0.042, 0.330, 0.160),
    "dry grass": (0.135, 0.118, 0.080, 0.230, 0.260),
    "urban": (0.215, 0.205, 0.195, 0.250, 0.260),
    "bare": (0.305, 0.260, 0.200, 0.365, 0.415),
    "wet rock": (0.075, 0.072, 0.065, 0.090, 0.070),
    "marsh": (0.075, 0.085, 0.060, 0.180, 0.100),
    "cloud": (0.640, 0.645, 0.660, 0.620, 0.470),
    "glint": (0.330, 0.335, 0.340, 0.270, 0.140),
    "haze": (0.030, 0.042, 0.060, 0.016, 0.006),
}
_SPECTRA = {name: np.array(values, np.float32).reshape(-1, 1, 1) for name, values in _SIGNATURES.items()}


class SyntheticReader:
    """Reads the scenes of a ``data=synthetic`` configuration; see `gym.data.readers.base.Reader`."""

    def __init__(self, config: DataConfig, hashes: HashCache, downloads: Path) -> None:
        del hashes, downloads
        self._seed, self._sites, self._size = config.seed, config.sites, parse_size(config.size)
        self._index = {name_scene(index, config.sites): index for index in range(config.scenes)}
        self.names = list(self._index)
        self.bands = list(BANDS)
        self.left_out, self.skipped = dict[str, str](), dict[str, str]()
        self.description = f"{config.scenes} synthetic coastal scenes of {config.sites} sites, seed {config.seed}"

    def sources(self, name: str) -> dict[str, str]:
        """Return the hash of seed, sites, size and version of the drawing, which is the same for all scenes."""
        return {"drawn": hash_value([self._seed, self._sites, self._size, _DRAWING])}

    def read(self, name: str) -> RawScene:
        """Draw a scene."""
        scene = draw_scene(self._seed, self._index[name], *self._size, self._sites)
        return RawScene(scene.image, scene.label, scene.label != IGNORE)


@dataclass(frozen=True)
class SyntheticScene:
    """One site on one date.

    Attributes:
        name: Site and index, such as ``duck_0012``.
        site: One of ``SITES``.
        image: ``(height, width, 5)`` uint16, reflectance times 10000 in the order of ``BANDS``; 0 only for nodata.
        label: ``(height, width)`` uint8, positions in ``CLASSES``; `IGNORE` only for nodata.
    """

    name: str
    site: str
    image: np.ndarray
    label: np.ndarray


_Drawn = TypeVar("_Drawn", "_Site", "_Date")


def _between(low: float, high: float) -> Any:
    """Declare a field that `_draw` fills uniformly from a range."""
    return field(metadata={"range": (low, high)})


def _draw(kind: type[_Drawn], rng: np.random.Generator) -> _Drawn:
    return kind(**{f.name: float(rng.uniform(*f.metadata["range"])) for f in fields(kind)})


@dataclass(frozen=True)
class _Site:
    """Properties of a site that do not depend on the date."""

    seaward: float = _between(0.0, 2 * np.pi)  # direction of the open sea, in radians from columns to rows
    slope: float = _between(3.6, 5.0)  # spectral slope of the coastline, from rough to smooth
    relief: float = _between(6.0, 18.0)  # amplitude of the coastline
    beach: float = _between(5.0, 10.0)  # mean width of the sand
    surf: float = _between(3.5, 7.0)  # width of the surf on an ordinary day
    brightness: float = _between(0.85, 1.15)  # of the sand
    urban: float = _between(-0.4, 0.8)  # bias of the land cover, in standard deviations of its field
    bare: float = _between(-0.1, 0.8)
    dryness: float = _between(-0.6, 0.6)
    murk: float = _between(0.1, 0.6)  # turbidity on an ordinary day


@dataclass(frozen=True)
class _Date:
    """Properties that change from one scene to the next."""

    sea_share: float = _between(0.32, 0.62)  # share of the frame seaward of the shoreline
    tide: float = _between(0.0, 1.0)  # 0 is high water, 1 is low water with much wet sand
    waves: float = _between(0.7, 1.3)
    murk: float = _between(0.5, 1.8)
    season: float = _between(-0.7, 0.7)  # above 0 is dry
    sun: float = _between(0.75, 1.10)
    azimuth: float = _between(0.0, 2 * np.pi)
    haze: float = _between(0.0, 1.0)
    glint: float = _between(-1.0, 1.0)  # negative for none
    thin: float = _between(-1.0, 0.8)  # cloud; negative for none
    thick: float = _between(-2.0, 0.5)
    swath: float = _between(-0.6, 0.3)  # share of the frame outside the swath; negative for none
    noise: float = _between(0.004, 0.015)


@dataclass(frozen=True)
class _Coast:
    """Shapes of a scene: open ``sea``, and ``water`` including lagoons and rivers; distances are in pixels."""

    along: np.ndarray
    across: np.ndarray
    sea: np.ndarray
    water: np.ndarray
    inland: np.ndarray  # distance to the open sea
    dry: np.ndarray  # distance to any water
    offshore: np.ndarray  # distance to land


def name_scene(index: int, sites: int) -> str:
    """Name a scene by its site and index, such as ``duck_0008``."""
    return f"{SITES[index % sites]}_{index:04d}"


def draw_scene(seed: int, index: int, height: int, width: int, sites: int = 8) -> SyntheticScene:
    """Draw one scene. Equal arguments give equal bytes, whatever else is drawn and in which order.

    Args:
        seed: Seed of the dataset, 0 or more. The character of a site depends on the seed and the site only.
        index: Index of the scene, 0 or more. Its site is ``index % sites``.
        height: Rows, at least 32.
        width: Columns, at least 32.
        sites: Number of sites, 1 to 8.

    Returns:
        The scene. On average, about 3 % of the pixels are whitewater and 9 % sand. A scene is never all nodata.

    Raises:
        DataError: An argument is outside its range.
    """
    _check(seed, index, height, width, sites)
    number = index % sites
    site = _draw(_Site, np.random.default_rng([seed, _SITE_STREAM, number]))
    rng = np.random.default_rng([seed, _SCENE_STREAM, index])
    date = _draw(_Date, rng)
    coast = _draw_coast(rng, site, date, (height, width))
    valid = _draw_swath(rng, date, coast)
    beach = site.beach * np.clip(0.9 + 0.85 * fractal_noise(rng, (height, width), 4.5, 40), 0, 1.8)
    foam = _draw_foam(rng, site, date, coast, valid)

    label = np.full((height, width), _OTHER, np.uint8)
    label[~coast.water & (coast.inland <= beach)] = _SAND
    label[coast.water] = _WATER
    label[foam > 0] = _WHITEWATER
    surface = _paint_land(rng, site, date, coast, beach)
    surface = np.where(label == _SAND, _paint_sand(rng, site, date, coast, beach), surface)
    surface = np.where(coast.water, _paint_water(rng, site, date, coast, foam), surface)
    digital = np.round(_observe(rng, date, coast, surface) * _SCALE)
    image = np.where(valid, np.clip(digital, 1, _SATURATED), 0).astype(np.uint16)
    label[~valid] = IGNORE
    image = np.ascontiguousarray(np.moveaxis(image, 0, -1))
    return SyntheticScene(name_scene(index, sites), SITES[number], image, label)


def _check(seed: int, index: int, height: int, width: int, sites: int) -> None:
    if not 1 <= sites <= len(SITES):
        raise DataError(f"sites={sites} must be at least 1 and at most {len(SITES)}; try sites={len(SITES)}.")
    if min(height, width) < _MIN_SIDE:
        raise DataError(
            f"a scene of {height}x{width} pixels is too small for a coast; make both sides at least {_MIN_SIDE}."
        )
    if min(seed, index) < 0:
        raise DataError(f"seed={seed} and index={index} must be at least 0; count both from 0.")


def _draw_coast(rng: np.random.Generator, site: _Site, date: _Date, shape: tuple[int, int]) -> _Coast:
    """Raise a fractal plain from the sea; some scenes add a spit or an island, or carve a lagoon or a river."""
    rows, columns = np.indices(shape) - (np.array(shape).reshape(2, 1, 1) - 1) / 2
    turn = site.seaward + rng.normal(0, 0.2)
    across = -(columns * np.cos(turn) + rows * np.sin(turn))
    along = rows * np.cos(turn) - columns * np.sin(turn)
    height = across + site.relief * fractal_noise(rng, shape, site.slope, 70)
    height -= np.quantile(height, date.sea_share)

    has_spit, has_island, has_lagoon, has_river = rng.random(4) < (0.3, 0.25, 0.35, 0.4)
    at_spit, at_island, at_lagoon, at_river = rng.uniform(-0.35, 0.35, 4) * min(shape)
    size = rng.uniform(0.8, 1.4)
    land = height > 0
    if has_spit:
        reach = (along - at_spit) * np.sign(rng.random() - 0.5)
        land |= (np.abs(height + np.clip(reach * 0.5, 0, 13)) < 2.5 * size) & (reach > -3) & (reach < 45 * size)
    if has_island:
        land |= bump(along, at_island, 15 * size) * bump(height, -26, 9 * size) > 0.5
    land = ~keep_large(~keep_large(land, 25), 25)
    sea = keep_large(~land, 0.06 * land.size)
    water = ~land
    if has_lagoon:
        water |= bump(along, at_lagoon, 32 * size) * bump(height, 12 + 12 * size, 7 * size) > 0.5
    if has_river:
        bend = at_river + 7 * size * np.sin(across / (9 * size)) + 2 * fractal_noise(rng, shape, 4, 30)
        water |= (np.abs(along - bend) < 1.8 * size) & (height > -4)
    return _Coast(along, across, sea, water, distance_to(sea), distance_to(water), distance_to(~water))


def _draw_swath(rng: np.random.Generator, date: _Date, coast: _Coast) -> np.ndarray:
    """Return the mask of pixels inside the swath, which misses a corner or a side in some scenes."""
    turn = rng.uniform(0, 2 * np.pi)
    ahead = coast.along * np.cos(turn) + coast.across * np.sin(turn)
    return ahead <= np.quantile(ahead, 1 - max(date.swath, 0.0))


def _draw_foam(rng: np.random.Generator, site: _Site, date: _Date, coast: _Coast, valid: np.ndarray) -> np.ndarray:
    """Break waves in patches at the shore and on a bar along it, next to open water.

    Returns:
        Share of whitewater in each pixel, ``(height, width)``: 0, or 0.35 to 0.95.
    """
    shape = coast.sea.shape
    reach = site.surf * date.waves
    patches = fractal_noise(rng, shape, 3.2, 10)
    sets = fractal_noise(rng, shape, 4.5, 45)
    strength = bump(coast.offshore, 1, 0.45 * reach) + 0.8 * bump(coast.offshore, 1.7 * reach, 0.3 * reach)
    strength += 0.33 * patches + 0.40 * sets - 1.03
    open_water = ndimage.gaussian_filter(coast.sea.astype(float), 4)
    breaking = coast.sea & (coast.offshore <= 2.2 * reach) & (strength > 0) & (open_water > 0.4)
    breaking = keep_large(breaking, 4) & valid
    breaking = keep_touching(breaking, coast.water & ~breaking & valid, 2)
    return np.where(breaking, 0.35 + 0.6 * ramp(strength, 0, 0.8), 0.0)


def _mix(under: np.ndarray | str, name: str, share: np.ndarray) -> np.ndarray:
    """Blend a spectrum into a surface or into another spectrum.

    Args:
        under: Surface ``(5, height, width)``, or the name of a spectrum.
        name: Name of the spectrum to blend in.
        share: Share of that spectrum, ``(height, width)``, clipped to [0, 1].

    Returns:
        ``(5, height, width)`` float32.
    """
    ground = _SPECTRA[under] if isinstance(under, str) else under
    return ground + np.clip(share, 0, 1).astype(np.float32) * (_SPECTRA[name] - ground)


def _paint_land(rng: np.random.Generator, site: _Site, date: _Date, coast: _Coast, beach: np.ndarray) -> np.ndarray:
    """Paint the whole frame as land without sand. Bright covers stay away from the shore."""
    shape = coast.sea.shape
    cover, town, soil, texture = (
        fractal_noise(rng, shape, s, outer) for s, outer in ((3.4, 40), (4.2, 45), (3.8, 30), (2.0, 8))
    )
    tone, track = draw_parcels(rng, coast.along, coast.across, 7)
    behind = np.minimum(coast.inland - np.maximum(beach, 2), coast.dry - 2)
    dryness = ramp(cover + 0.3 * texture + site.dryness + date.season, -1.2, 1.4)
    land = _mix("vegetation", "dry grass", dryness)
    land = _mix(land, "bare", 0.95 * ramp(soil + 0.15 * texture + site.bare, 0.7, 0.9) * ramp(behind, 2, 3))
    built = ramp(town + site.urban, 0.6, 0.8) * ramp(behind, 2, 3)
    land = _mix(land, "urban", built * np.where(track, 0.5, 0.95))
    land = _mix(land, "bare", built * ramp(tone, 0.2, 0.5) * ~track)
    land = _mix(land, "marsh", ramp(coast.dry + texture, 5, 3))
    land = _mix(land, "wet rock", 0.9 * ramp(coast.inland, 3.5, 2.5))
    shade = np.gradient(fractal_noise(rng, shape, 4, 60), axis=(0, 1))
    light = shade[0] * np.sin(date.azimuth) + shade[1] * np.cos(date.azimuth)
    return land * np.clip(1 + 1.3 * light + 0.07 * texture + 0.1 * built * tone, 0.4, 1.7)


def _paint_sand(rng: np.random.Generator, site: _Site, date: _Date, coast: _Coast, beach: np.ndarray) -> np.ndarray:
    """Paint the whole frame as sand, wet up to the last high water."""
    texture = fractal_noise(rng, coast.sea.shape, 2.2, 15)
    wet = np.maximum(beach * (0.15 + 0.5 * date.tide), 1.0)
    sand = _mix("dry sand", "wet sand", ramp(coast.inland / wet, 1.1, 0.7))
    return sand * (site.brightness * (1 + 0.07 * texture))


def _paint_water(rng: np.random.Generator, site: _Site, date: _Date, coast: _Coast, foam: np.ndarray) -> np.ndarray:
    """Paint the whole frame as water: darker with depth, brighter with silt, with glint away from land, and foam."""
    shape = coast.sea.shape
    plume = fractal_noise(rng, shape, 4, 40)
    streaks = fractal_noise(rng, shape, 3.2, 10, stretch=2.5, turn=date.azimuth)
    glare = fractal_noise(rng, shape, 4.2, 50)
    water = _mix("deep", "shallow", np.exp(-coast.offshore / 14))
    silt = site.murk * date.murk * (np.exp(-coast.offshore / 18) + 0.6 * ramp(plume, 0.3, 1.3) + 0.3 * ~coast.sea)
    water = _mix(water, "turbid", silt)
    if date.glint > 0:
        sparkle = ramp(streaks + glare + date.glint, 1.1, 1.9) * ramp(coast.offshore, 6, 11)
        water = water + (0.5 + 0.6 * date.glint) * sparkle * _SPECTRA["glint"]
    return _mix(water, "foam", foam) * (1 + 0.03 * streaks)


def _observe(rng: np.random.Generator, date: _Date, coast: _Coast, surface: np.ndarray) -> np.ndarray:
    """Observe a surface through cloud, cloud shadow, haze and a sensor whose SWIR band is the coarsest."""
    shape = coast.sea.shape
    veil = fractal_noise(rng, shape, 4.0, 60)
    puffs = fractal_noise(rng, shape, 3.6, 25)
    mist = fractal_noise(rng, shape, 3.5, 80)
    cloud = 0.5 * ramp(veil + date.thin, 0.3, 2.2) if date.thin > 0 else np.zeros(shape)
    if date.thick > 0:
        cloud = np.maximum(cloud, 0.85 * ramp(puffs + date.thick, 1.7, 2.4))
    drift = -9 * np.array([np.sin(date.azimuth), np.cos(date.azimuth)])
    shadow = ndimage.shift(cloud, drift, order=1, mode="nearest")
    seen = _mix(surface * (date.sun * (1 - 0.5 * shadow)), "cloud", cloud)
    seen = seen + date.haze * (1 + 0.3 * mist) * _SPECTRA["haze"]
    blurred = np.stack([ndimage.gaussian_filter(band, blur) for band, blur in zip(seen, _BLURS, strict=True)])
    return blurred + date.noise * rng.standard_normal(blurred.shape, np.float32) * (1 + blurred)
