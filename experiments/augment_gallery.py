"""The catalogue of distortions as pictures, and random scenes with their ground truth.

    python experiments/augment_gallery.py

A colour photograph and a handwritten digit go through every operation at the strengths 0.2, 0.4,
0.6, 0.8 and 1, with one key an operation, so that a row shows one draw growing. Parameters stand at
or near the far end of their ranges, probabilities at 1. The digit is grey, so that hue, saturation,
grey and channel_shuffle leave it alone. Autocontrast, which has nothing to do on a picture that
spans the whole range, is given one of three tenths of the contrast. `move`, any chain of geometry,
has no row of its own.

The scenes are of two to four digits, at the strengths 0.25, 0.5 and 1, a column of one key: above
with the boxes and labels that come with them, below the masks of what is seen of each digit. One
that is not annotated is hidden for the most part. All pictures come with scikit-learn.

A minute or two on two CPU cores, most of it compilation. It writes augment_gallery.jpg,
augment_gallery_digit.jpg and augment_gallery_scenes.jpg beside itself, which the README shows.
"""

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import app, flags

_OUT = flags.DEFINE_string(
    "out", str(pathlib.Path(__file__).parent), "Folder that the pictures are put in."
)

STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
PHOTOGRAPH_SIDE = 96
TILE = 0.62  # inches
SCENE_STRENGTHS = (0.25, 0.5, 1.0)
SCENES = 5  # columns
SCENE_SIZE = (64, 64)
DIGIT_SIDE = 24
COLOURS = ("#e69f00", "#56b4e9", "#cc79a7", "#009e73")  # Okabe and Ito's, one an object

GROUPS: tuple[dict[str, dict[str, dict]], ...] = (
    {
        "geometry": {
            "rotate": {"degrees": 30.0},
            "shear_x": {"ratio": 0.3},
            "shear_y": {"ratio": 0.3},
            "scale": {"factor": 0.6},
            "translate_x": {"fraction": 0.2},
            "translate_y": {"fraction": 0.2},
            "crop": {},
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
        "scenes": {
            "in_scene": {"full": 0.5},
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
            "superpixel": {"probability": 1.0, "segments": 12},
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
    """A square of scikit-learn's photograph of a flower, and one of its digits, by file."""
    import jax
    import numpy as np
    from sklearn.datasets import load_sample_image

    from cnnjax import data, ops

    photograph = ops.unit(load_sample_image("flower.jpg")[40:400, 130:490])
    side = (PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE, 3)
    return {
        "augment_gallery": np.asarray(jax.image.resize(photograph, side, "linear")),
        "augment_gallery_digit": np.asarray(ops.unit(data.load("digits", None).test.images[3])),
    }


def row(name: str, options: dict, image, number: int) -> list:
    """One draw of an operation at every strength."""
    import jax

    from cnnjax import augment

    if name == "crop":
        options = {"new_size": tuple(side * 3 // 4 for side in image.shape[:2])}
    operation = functools.partial(getattr(augment, name), **options)
    return [jax.jit(operation)(jax.random.key(number), image, strength=s) for s in STRENGTHS]


def draw(image, path: pathlib.Path) -> None:
    """Draws the catalogue on one image."""
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot
    from tqdm import tqdm

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
            given = 0.35 + 0.3 * image if name == "autocontrast" else image
            tiles = [given, *row(name, options, given, number)]
            for cell, tile in zip(place[number, 3:], tiles, strict=True):
                cell.imshow(tile[..., 0] if tile.shape[-1] == 1 else tile, **shown)
                # A crop is shown as small as it is, in the middle.
                (top, left), (y, x) = np.subtract(image.shape, tile.shape)[:2] / 2, tile.shape[:2]
                cell.set(xlim=(-left - 0.5, x + left - 0.5), ylim=(y + top - 0.5, -top - 0.5))
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 68})
    pyplot.close(figure)


def draw_scenes(path: pathlib.Path) -> None:
    """Draws scenes of digits before photographs and made-up grounds, with their ground truth."""
    import jax
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import colors, pyplot

    from cnnjax import augment, data, ops
    from cnnjax.data import scenes

    digits = data.load("digits", None).test
    side = (len(digits.images), DIGIT_SIDE, DIGIT_SIDE, 1)
    images = np.asarray(jax.image.resize(ops.unit(digits.images), side, "linear"))

    @jax.jit
    @functools.partial(jax.vmap, in_axes=(0, None))
    def make(key, strength):
        return scenes.scene(
            key,
            images,
            digits.labels,
            size=SCENE_SIZE,
            full=0.5,
            least=2,
            most=len(COLOURS),
            channels=3,
            pictures=augment.photographs(3),
            strength=strength,
        )

    # Of scenes in which no label hides another.
    keys = jax.random.split(jax.random.key(41), SCENES)
    colours = np.array([colors.to_rgb(colour) for colour in COLOURS])
    figure, axes = pyplot.subplots(
        2 * len(SCENE_STRENGTHS), SCENES, figsize=(8.8, 9.8), facecolor="white"
    )
    figure.subplots_adjust(0.09, 0.005, 0.995, 0.995, 0.05, 0.05)
    for number, strength in enumerate(SCENE_STRENGTHS):
        made = jax.tree.map(np.asarray, make(keys, strength))
        for which in range(SCENES):
            above, below = axes[2 * number : 2 * number + 2, which]
            above.imshow(made.image[which], interpolation="nearest")
            masks = made.masks[which]
            inked = 1 - np.einsum("oyx,oc->yxc", masks, 1 - colours)
            below.imshow(np.clip(inked, 0, 1), interpolation="nearest")
            for box, label, colour in zip(
                made.boxes[which], made.labels[which], COLOURS, strict=True
            ):
                if label >= 0:
                    annotate(above, box, label, colour)
        names = ("boxes, labels", "masks")
        for line, name in zip(axes[2 * number : 2 * number + 2], names, strict=True):
            line[0].set_ylabel(name, fontsize=9)
        middle = 1 - (2 * number + 1) / len(axes)
        figure.text(0.012, middle, f"strength {strength:g}", rotation=90, va="center", fontsize=11)
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.spines[:].set_color("#c8ced4")
    figure.savefig(path, dpi=100, pil_kwargs={"quality": 85})
    pyplot.close(figure)


def annotate(axes, box, label: int, colour: str) -> None:
    """Draws a box, its class in a tab on top of it, or inside where there is no room."""
    y0, x0, y1, x1 = box - 0.5
    for ink, width in (("black", 2.2), (colour, 1.2)):
        axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=ink, linewidth=width)
    tab = {"facecolor": colour, "edgecolor": "black", "linewidth": 0.6, "pad": 1.2}
    y, side = (y0 - 0.7, "bottom") if y0 > 6 else (y0 + 0.9, "top")
    axes.text(x0 + 0.6, y, label, fontsize=8, va=side, color="black", bbox=tab)


def main(argv: list[str]) -> None:
    """Draws the three pictures."""
    if len(argv) > 1:
        raise app.UsageError(f"expected no arguments, got {argv[1]!r}")
    from cnnjax import platform

    platform.configure()
    folder = pathlib.Path(_OUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in pictures().items():
        draw(image, folder / f"{name}.jpg")
        print(folder / f"{name}.jpg")
    draw_scenes(folder / "augment_gallery_scenes.jpg")
    print(folder / "augment_gallery_scenes.jpg")


if __name__ == "__main__":
    app.run(main)
