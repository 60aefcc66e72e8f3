"""Pictures: kernels, feature maps, and every test image or signal that a network got wrong."""

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped, UInt8
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from cnnjax.report import reading

MOST_ERRORS = 200
"""How many errors of an entry are shown; beyond that, those the network was surest of."""

_MOST_TILES = 64
_DIVERGING = LinearSegmentedColormap.from_list("kernel", ["#0072b2", "#f7f7f7", "#c24e00"])
# Frames stand out from the paper, light or dark, and from their tiles, whose colours go through
# white (kernels) and through a middle grey (maps).
_KERNEL_FRAME, _MAP_FRAME = (128, 128, 128, 255), (205, 205, 205, 255)
_LINE = (88, 160)  # height and width of a signal's picture
_EDGE = 4  # how often a pixel is repeated in the files for papers


class Layer(NamedTuple):
    """A layer's pictures in one image, with its name, its array's shape and what colours mean."""

    name: str
    source: str
    width: int
    height: int
    shape: str
    scale: str


class Inside(NamedTuple):
    """What the best convolutional network looks like from the inside; `image` is its input."""

    network: str
    signals: bool
    image: str
    kernels: list[Layer]
    maps: list[Layer]


class Mistake(NamedTuple):
    """A test image or signal that was misread, by its number, and where it lies in the sprite."""

    number: int
    x: int
    y: int
    first: str
    first_probability: float
    second: str
    second_probability: float


class Errors(NamedTuple):
    """The errors of one member.

    Attributes:
      entry: Whose errors they are.
      seed: The member with the median number of errors.
      seeds: Of how many.
      total: How many errors it makes.
      examples: Of how many test images or signals.
      shown: How many are in the gallery.
      groups: Mistakes by what the image or signal really is.
    """

    entry: str
    seed: int
    seeds: int
    total: int
    examples: int
    shown: int
    groups: list[tuple[str, list[Mistake]]]


class Gallery(NamedTuple):
    """Every entry's errors, over one set of pictures: many networks misread the same ones.

    Attributes:
      signals: Whether the pictures are drawn signals, not images.
      sprite: All pictures in one, as a data URI; empty where nobody errs.
      size: The sprite's width and height, and a tile's, in pixels.
      entries: The errors, in the order of the page.
    """

    signals: bool
    sprite: str
    size: tuple[int, int, int, int]
    entries: list[Errors]

    @property
    def whole(self) -> bool:
        """Whether every error is shown."""
        return all(each.shown == each.total for each in self.entries)


def inside(study: reading.Study, folder: Path) -> Inside | None:
    """Pictures the kernels and feature maps of pictures.npz.

    Args:
      study: What was read.
      folder: Where the picture files go.

    Returns:
      The pictures, or None where there are none.
    """
    kernels = [_kernel(*each) for each in _numbered(study.pictures, "kernel__")]
    maps = [_maps(*each) for each in _numbered(study.pictures, "map__")]
    if not (kernels or maps):
        return None
    for file, layers in (("kernels", kernels), ("feature_maps", maps)):
        for number, (layer, picture) in enumerate(layers):
            large = np.kron(picture, np.ones((_EDGE, _EDGE, 1), np.uint8))
            _png(large, folder / f"{file}_{number}_{_safe(layer.name)}.png")
    image = study.pictures.get("input")
    shown = ""
    if image is not None:
        pixels = _tiles(image[None])[0]
        shown = _uri(
            np.repeat(pixels[..., :1], 3, axis=-1) if pixels.shape[-1] < 3 else pixels[..., :3]
        )
    network = study.pictures.get("network")
    return Inside(
        "" if network is None else str(network),
        image is not None and image.ndim == 2,
        shown,
        [layer for layer, _ in kernels],
        [layer for layer, _ in maps],
    )


def errors(study: reading.Study, folder: Path) -> Gallery | None:
    """Collects every entry's mistakes, of its seeds those of the one with the median number.

    Args:
      study: What was read.
      folder: Where the picture file goes.

    Returns:
      The gallery, or None where predictions or pictures are missing.
    """
    frame, index = study.predictions, study.pictures.get("error_index")
    images, groups = (study.pictures.get(f"error_{name}") for name in ("images", "groups"))
    if frame is None or index is None or images is None or groups is None or not len(index):
        return None
    signals = images.ndim == 3
    place = {int(number): position for position, number in enumerate(index)}
    # Pictures are kept of one data set; whoever was tested on another has none.
    frame = frame[frame["group"].isin(groups)]
    frame = frame.drop_duplicates(["entry", "seed", "index"])
    wrong = frame[frame["first"] != frame["truth"]]
    members = [
        _median_member(entry, frame[frame["entry"] == entry], wrong[wrong["entry"] == entry])
        for entry in study.entries
        if entry in set(frame["entry"])
    ]
    if not members:
        return None
    shown = sorted({int(number) for _, own in members for number in own["index"]})
    if not shown:
        return Gallery(signals, "", (1, 1, 1, 1), [found for found, _ in members])
    tiles = _tiles(images[[place[number] for number in shown]])
    columns = min(len(tiles), 20)
    sprite = _mosaic(tiles, columns)
    _png(sprite, folder / "errors.png")
    height, width = tiles.shape[1:3]
    corners = {
        number: (position % columns * width, position // columns * height)
        for position, number in enumerate(shown)
    }
    names = study.pictures.get("class_names", ())
    return Gallery(
        signals,
        _uri(sprite),
        (sprite.shape[1], sprite.shape[0], width, height),
        [found._replace(groups=_by_truth(own, corners, names)) for found, own in members],
    )


def _median_member(
    entry: str, frame: pd.DataFrame, wrong: pd.DataFrame
) -> tuple[Errors, pd.DataFrame]:
    """The seed with the median number of errors, and those errors of its that are shown."""
    counts = wrong.groupby("seed").size().reindex(pd.unique(frame["seed"]), fill_value=0)
    counts = counts.sort_values(kind="stable")
    seed = int(counts.index[(len(counts) - 1) // 2])
    own = wrong[wrong["seed"] == seed].nlargest(MOST_ERRORS, "first_probability")
    examples = int((frame["seed"] == seed).sum())
    return Errors(entry, seed, len(counts), int(counts[seed]), examples, len(own), []), own


def _by_truth(
    own: pd.DataFrame, corners: dict[int, tuple[int, int]], names: Sequence[str] | np.ndarray
) -> list[tuple[str, list[Mistake]]]:
    """Groups mistakes by what the example really is, the surest mistake of each first."""
    groups: dict[str, list[Mistake]] = {}
    own = own.sort_values(["truth", "first_probability"], ascending=[True, False])
    for row in own.to_dict("records"):
        mistake = Mistake(
            int(row["index"]),
            *corners[int(row["index"])],
            _name(names, row["first"]),
            float(row["first_probability"]),
            _name(names, row["second"]),
            float(row["second_probability"]),
        )
        groups.setdefault(_name(names, row["truth"]), []).append(mistake)
    return list(groups.items())


def _kernel(
    name: str, array: Float[np.ndarray, "*window inputs outputs"]
) -> tuple[Layer, UInt8[np.ndarray, "height width 4"]]:
    """Colours kernels blue (negative) to orange (positive), white at nought, one scale a layer.

    A tile is an image's kernel from one channel to another, or a signal's from all channels, one
    below the other, to one.
    """
    shape = "×".join(str(n) for n in array.shape)
    columns = 8
    if array.ndim == 3:
        flat = array.transpose(2, 1, 0)
        count, height, width = flat[:_MOST_TILES].shape
        # About twice as wide as high, in even rows.
        rows = -(-count // math.ceil(math.sqrt(2 * count * (height + 1) / (width + 1))))
        columns = -(-count // rows)
    else:
        flat = array.reshape(*array.shape[:2], -1).transpose(2, 0, 1)
    largest = float(np.abs(flat).max()) or 1.0
    tiles = _DIVERGING(flat[:_MOST_TILES] / (2 * largest) + 0.5, bytes=True)
    picture = _mosaic(tiles, columns, gap=1, frame=_KERNEL_FRAME)
    scale = f"−{largest:.2g} to {largest:.2g}"
    return _layer(name, picture, shape, _more(len(flat)), scale), picture


def _maps(
    name: str, array: Float[np.ndarray, "*space channels"]
) -> tuple[Layer, UInt8[np.ndarray, "height width 4"]]:
    """Colours feature maps dark (lowest) to bright (highest), one scale a layer.

    A tile is a channel, or all channels of a signal, side by side.
    """
    low, high = float(array.min()), float(array.max())
    flat = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    level = (flat[:_MOST_TILES] - low) / ((high - low) or 1.0)
    tiles = matplotlib.colormaps["cividis"](level, bytes=True)
    picture = _mosaic(tiles, 8, gap=max(1, flat.shape[1] // 14), frame=_MAP_FRAME)
    shape = "×".join(str(n) for n in array.shape)
    scale = f"{low:.2g} to {high:.2g}".replace("-", "−")
    return _layer(name, picture, shape, _more(len(flat)), scale), picture


def _layer(name: str, picture: np.ndarray, shape: str, more: str, scale: str) -> Layer:
    return Layer(name, _uri(picture), picture.shape[1], picture.shape[0], shape + more, scale)


def _more(channels: int) -> str:
    return f", the first {_MOST_TILES}" if channels > _MOST_TILES else ""


def _mosaic(
    tiles: UInt8[np.ndarray, "count height width channels"],
    columns: int,
    *,
    gap: int = 0,
    frame: tuple[int, ...] = (),
) -> UInt8[np.ndarray, "rows columns channels"]:
    """Lays tiles out in rows of at most `columns`, framed by a gap."""
    count, height, width, channels = tiles.shape
    columns = min(count, columns)
    rows = -(-count // columns)
    canvas = np.zeros(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, channels), np.uint8
    )
    for position, tile in enumerate(tiles):
        y, x = position // columns * (height + gap), position % columns * (width + gap)
        if gap:
            canvas[y : y + height + 2 * gap, x : x + width + 2 * gap] = frame
        canvas[y + gap : y + gap + height, x + gap : x + gap + width] = tile
    return canvas


def _numbered(arrays: dict[str, np.ndarray], prefix: str) -> list[tuple[str, np.ndarray]]:
    """Returns the arrays whose names are prefix, number, layer, in the order of the numbers."""
    names = sorted(name for name in arrays if name.startswith(prefix))
    return [(name[len(prefix) :].partition("__")[2], arrays[name]) for name in names]


def _name(names: Sequence[str] | np.ndarray, label: int) -> str:
    return str(names[label]) if 0 <= label < len(names) else str(label)


def _tiles(
    examples: Shaped[np.ndarray, "count *space channels"],
) -> UInt8[np.ndarray, "count height width channels"]:
    """Returns images as bytes, and signals (their first channel) drawn as bright lines on black."""
    if examples.ndim == 4:
        return _bytes(examples)
    low, high = examples.min(), examples.max()  # one scale for all
    return np.stack([_line((signal[:, 0] - low) / ((high - low) or 1.0)) for signal in examples])


def _line(signal: Float[np.ndarray, " length"]) -> UInt8[np.ndarray, "height width 1"]:
    """Draws a signal, in [0, 1], as a line."""
    height, width = _LINE
    places = np.linspace(0, len(signal) - 1, width + 1)
    room = 0.06 * height
    heights = room + (height - 1 - 2 * room) * (1 - np.interp(places, range(len(signal)), signal))
    # In each column the line reaches from where it comes in to where it goes out.
    top, bottom = np.sort(np.stack([heights[:-1], heights[1:]]), axis=0)
    row = np.arange(height)[:, None]
    outside = np.maximum(np.maximum(top - row, row - bottom), 0)
    return np.round(255 * np.clip(2 - outside, 0, 1)).astype(np.uint8)[..., None]


def _bytes(image: np.ndarray) -> np.ndarray:
    """Returns pixels as uint8; floats are taken to run from 0 to 1."""
    if image.dtype == np.uint8:
        return image
    return np.round(255 * np.clip(image.astype(float), 0, 1)).astype(np.uint8)


def _png(picture: np.ndarray, path: Path | io.BytesIO) -> None:
    flat = picture[..., 0] if picture.shape[-1] == 1 else picture
    Image.fromarray(np.ascontiguousarray(flat)).save(path, format="PNG", optimize=True)


def _uri(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    _png(picture, buffer)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
