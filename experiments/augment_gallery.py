"""The catalogue of distortions as a picture: one row an operation, five strengths.

    python experiments/augment_gallery.py --out=runs/augment_gallery

A colour photograph and a handwritten digit go through every operation at the strengths 0.2, 0.4,
0.6, 0.8 and 1, with one key an operation, so that a row shows one draw growing. Parameters stand at
or near the far end of their ranges, probabilities at 1. Both pictures come with scikit-learn.

About a minute on two CPU cores, most of it compilation. It writes photograph.jpg and
digit.jpg. The digit is grey, so that hue, saturation, grey and channel_shuffle leave it alone.
"""

import functools
import pathlib
import sys
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import app, flags

_OUT = flags.DEFINE_string("out", "runs/augment_gallery", "Folder that the pictures are put in.")

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
PHOTOGRAPH_SIDE = 96
TILE = 0.62  # inches

GROUPS: tuple[dict[str, dict[str, dict]], ...] = (
    {
        "geometry": {
            "rotate": {"degrees": 30.0},
            "shear_x": {"ratio": 0.3},
            "shear_y": {"ratio": 0.3},
            "scale": {"factor": 0.6},
            "translate_x": {"fraction": 0.2},
            "translate_y": {"fraction": 0.2},
            "crop_and_pad": {},
            "perspective": {},
            "elastic": {},
            "horizontal_flip": {"probability": 1.0},
            "vertical_flip": {"probability": 1.0},
        },
        "noise and blur": {
            "gaussian_blur": {"sigma": 2.0},
            "motion_blur": {"length": 9.0, "angle": 30.0},
            "additive_gaussian_noise": {"deviation": 0.2},
            "salt": {"fraction": 0.1},
            "pepper": {"fraction": 0.1},
            "coarse_salt": {"fraction": 0.1},
            "jpeg": {"quality": 3},
        },
    },
    {
        "colour": {
            "brighten": {"offset": 0.3},
            "contrast": {"factor": 2.0},
            "gamma_contrast": {"gamma": 2.5},
            "sharpen": {"amount": 4.0},
            "hue": {"degrees": 120.0},
            "saturation": {"factor": 2.5},
            "grey": {"amount": 1.0},
            "invert": {"probability": 1.0},
            "channel_shuffle": {"probability": 1.0},
            "posterise": {"bits": 1.0},
            "solarise": {"threshold": 0.3},
            "equalise": {"amount": 1.0},
            "autocontrast": {"amount": 1.0},
        },
        "weather, occlusion": {
            "cutout": {"fraction": 0.5},
            "superpixel": {"probability": 1.0, "segments": 30},
            "emboss": {"alpha": 1.0, "relief": 1.0},
            "clouds": {"density": 1.0, "sparsity": 1.0},
            "fog": {"density": 0.9},
            "snowflakes": {"density": 0.075, "flake_size": 0.04, "speed": 0.03},
            "rain": {"density": 0.03, "drop_size": 0.01, "opacity": 0.8},
            "fast_snowy_landscape": {"lightness_threshold": 0.6, "lightness_multiplier": 2.5},
        },
    },
)


def pictures() -> dict:
    """A square of scikit-learn's photograph of a flower, and one of its digits."""
    import jax
    import numpy as np
    from sklearn.datasets import load_sample_image

    from cnnjax import data, ops

    photograph = ops.unit(load_sample_image("flower.jpg")[40:400, 130:490])
    side = (PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE, 3)
    return {
        "photograph": np.asarray(jax.image.resize(photograph, side, "linear")),
        "digit": np.asarray(ops.unit(data.load("digits", None).test.images[3])),
    }


def row(operation: Callable, image, number: int) -> list:
    """One draw of an operation at every strength."""
    import jax

    return [jax.jit(operation)(jax.random.key(number), image, strength=s) for s in STRENGTHS]


def draw(image, path: pathlib.Path) -> None:
    """Draws the catalogue on one image."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from tqdm import tqdm

    from cnnjax import augment

    # A heading takes a line of its own, in front of its operations.
    columns = [
        [
            entry
            for name, operations in side.items()
            for entry in [(name, None), *operations.items()]
        ]
        for side in GROUPS
    ]
    lines = max(map(len, columns))
    across = len(STRENGTHS) + 4
    figure, axes = pyplot.subplots(
        lines, 2 * across, figsize=(2 * across * TILE, lines * TILE), facecolor="white"
    )
    figure.subplots_adjust(0, 0, 1, 1, 0.06, 0.06)
    for each in axes.flat:
        each.axis("off")
    shown = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    for side, entries in enumerate(columns):
        place = axes[:, side * across : (side + 1) * across]
        for number, (name, options) in enumerate(
            tqdm(entries, desc=f"{path.stem}, {side + 1} of 2")
        ):
            label = {"x": 3.05, "ha": "right", "va": "center", "fontsize": 8.5}
            if options is None:
                write = place[number, 0].text
                write(0.1, 0.1, name, fontsize=10, fontweight="bold")
                for strength, cell in zip(STRENGTHS, place[number, 4:], strict=True):
                    cell.text(0.5, 0.1, f"{strength:g}", ha="center", fontsize=8.5)
                place[number, 3].text(0.5, 0.1, "given", ha="center", fontsize=8.5)
                continue
            place[number, 0].text(y=0.5, s=name, **label)
            operation = functools.partial(getattr(augment, name), **options)
            for cell, tile in zip(
                place[number, 3:], [image, *row(operation, image, number)], strict=True
            ):
                cell.imshow(tile[..., 0] if tile.shape[-1] == 1 else tile, **shown)
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 80})
    pyplot.close(figure)


def main(argv: list[str]) -> None:
    """Draws both pictures."""
    if len(argv) > 1:
        raise app.UsageError(f"expected no arguments, got {argv[1]!r}")
    from cnnjax import platform

    platform.configure()
    folder = pathlib.Path(_OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in pictures().items():
        draw(image, folder / f"{name}.jpg")
        print(folder / f"{name}.jpg")


if __name__ == "__main__":
    app.run(main)
