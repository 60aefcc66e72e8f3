"""How fast the whole catalogue of distortions is, against the libraries that have the operation.

    python experiments/augment_speed.py

A batch of 1,024 images of 32×32×3 and batches of 32 of 224×224×3 (of which 1,024 images are 32),
with the default ranges of `cnnjax.augment` and a draw of its own for every image. Ours are
`jax.jit(jax.vmap(operation))`, draws included, of floats and of bytes; a ratio is of the same type
on both sides. Each peer is used as its users would:

- Albumentations: one image after another in a Python loop, once as uint8 and once as float32, and
  their results stacked to the batch that a step takes and that all others make;
- kornia and dm_pix, augmax: whole batches, the latter two under jit and vmap;
- torch: whole batches in plain eager code, as torchvision's functions have it.

`scenes` are new pictures of up to four digits, of the size of the images, with boxes, masks and
labels; no peer makes them.

Every library runs in a process of its own, with its own threads, and waits while another is timed.
Per operation they are timed in turn, A B C A B C …; a ratio is the median over the rounds, ours to
the peer's images a second, and above 1 we are faster. Peers that are not installed are left out:
`pip install -c constraints.txt -e '.[bench]'`. `--only=rotate,elastic` times these two. The table
goes to the terminal and, with the figures of every round, to `--out`.

Measured on two cores in 10 minutes: experiments/augment_speed.md; README.md tells where we are
ahead and where behind, and why.
"""

import functools
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import app, flags

from cnnjax import platform
from cnnjax.timing import rate, seconds

_ROUNDS = flags.DEFINE_integer("rounds", 3, "Timed rounds of every operation.", lower_bound=1)
_ONLY = flags.DEFINE_list("only", [], "Operations to time; all of them by default.")
_OUT = flags.DEFINE_string("out", "runs/augment_speed", "Folder for table.md and rounds.csv.")
_SERVE = flags.DEFINE_string("serve", None, "Be the process of this library (used internally).")

IMAGES = {32: 1024, 224: 32}
"""Images in a call, by their side."""
SAMPLES = {32: 1024, 224: 16_000}
"""Samples of the signals that stand in the place of images of this side."""
LEAST_SECONDS = 0.2
IMAGE_OPERATIONS = (
    "rotate shear_x shear_y translate_x translate_y scale crop_and_pad perspective elastic "
    "horizontal_flip vertical_flip brighten contrast gamma_contrast invert hue saturation "
    "channel_shuffle grey posterise solarise equalise autocontrast sharpen gaussian_blur "
    "motion_blur additive_gaussian_noise salt pepper coarse_salt cutout emboss superpixel jpeg "
    "clouds fog snowflakes rain fast_snowy_landscape in_scene"
)
"""With their defaults; `crop` and `move`, which have arguments that must be given, come beside."""
SIGNAL_OPERATIONS = "gain shift speed pitch time_mask additive_noise"

Call = Callable[[], object]
Prepare = Callable[[int], Call]
"""From a side to a call that distorts a batch of images of that side."""


def batch(side: int, dtype: str = "float32"):
    """Made-up smooth pictures, since compression and equalising depend on what they show."""
    import numpy as np

    draws = np.random.default_rng(0)
    coarse = draws.random((IMAGES[side], 4, 4, 3), np.float32)
    place = np.linspace(0, 3, side, dtype=np.float32)
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(4, dtype=np.float32)))
    smooth = np.einsum("iy,byxc,jx->bijc", weights, coarse, weights, optimize=True)
    images = np.clip(smooth + draws.normal(0, 0.05, smooth.shape), 0, 1)
    return np.round(255 * images).astype(dtype) if dtype == "uint8" else images.astype(dtype)


def jitted(operation: Callable, side: int, dtype: str = "float32") -> Call:
    """An operation of (key, image), for a batch of images, compiled."""
    return batchwise(lambda keys, images: _jax().vmap(operation)(keys, images), side, dtype)


def batchwise(operation: Callable, side: int, dtype: str = "float32") -> Call:
    """An operation of (keys, images), compiled."""
    jax = _jax()
    images, key = jax.device_put(batch(side, dtype)), jax.random.key(0)
    work = jax.jit(lambda key, images: operation(jax.random.split(key, len(images)), images))
    return functools.partial(work, key, images)


def _jax():
    import jax

    return jax


def ours(dtype: str) -> Mapping[str, Prepare]:
    """Everything in the catalogue that takes images of a given type."""
    platform.configure()
    import jax
    import jax.numpy as jnp

    from cnnjax import augment, data
    from cnnjax.data import scenes

    affine = (
        augment.draw_rotate,
        augment.draw_shear_x,
        augment.draw_scale,
        augment.draw_translate_y,
        augment.draw_translate_x,
    )
    one_image = {name: getattr(augment, name) for name in IMAGE_OPERATIONS.split()}
    one_image["affine"] = functools.partial(augment.move, draws=affine)
    found = {
        name: functools.partial(jitted, operation, dtype=dtype)
        for name, operation in one_image.items()
    }
    found["crop"] = lambda side: jitted(
        functools.partial(augment.crop, new_size=(side * 7 // 8,) * 2), side, dtype
    )

    def policy(name: str, side: int) -> Call:
        distort = augment.build(name)
        return batchwise(
            lambda keys, images: distort(keys[0], images, jnp.zeros(len(images), jnp.int32)),
            side,
            dtype,
        )

    def scenes_with_truth(side: int) -> Call:
        digits = data.load("digits", None).train
        make = functools.partial(
            scenes.scene,
            images=digits.images,
            labels=digits.labels,
            size=(side, side),
            most=4,
            channels=3,
        )
        keys = jax.random.split(jax.random.key(0), IMAGES[side])
        return functools.partial(jax.jit(jax.vmap(make)), keys)

    def mixing(mix: Callable, side: int) -> Call:
        targets = jnp.eye(10)[jnp.arange(IMAGES[side]) % 10]
        return batchwise(lambda keys, images: mix(keys[0], images, targets), side)

    def signal(operation: Callable, side: int) -> Call:
        values = jax.random.normal(jax.random.key(1), (IMAGES[side], SAMPLES[side], 1))
        keys = jax.random.split(jax.random.key(0), len(values))
        return functools.partial(jax.jit(jax.vmap(operation)), keys, values)

    for name in ("standard", "randaugment", "trivialaugment", "augmix"):
        found[name] = functools.partial(policy, name)
    if dtype == "uint8":
        return found
    found["scenes"] = scenes_with_truth
    for mix in (augment.mixup, augment.cutmix):
        found[mix.__name__] = functools.partial(mixing, mix)
    for name in SIGNAL_OPERATIONS.split():
        found[name] = functools.partial(signal, getattr(augment, name))
    return found


def albumentations(dtype: str) -> Mapping[str, Prepare]:
    """One image after another, of a given type."""
    import os

    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for a newer one
    import albumentations as A
    import numpy as np

    slant, fifth = math.degrees(math.atan(0.2)), (-0.1, 0.1)

    def affine(**ranges) -> A.BasicTransform:
        # What is not given stays: without `shear` two numbers would be drawn for it.
        return A.Affine(**{"shear": 0, **ranges}, p=1)

    def jitter(**ranges) -> A.BasicTransform:
        neutral = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
        return A.ColorJitter(**{**neutral, **ranges}, p=1)

    transforms = {
        "rotate": A.Rotate(15, p=1),
        "shear_x": affine(shear={"x": (-slant, slant), "y": (0, 0)}),
        "shear_y": affine(shear={"x": (0, 0), "y": (-slant, slant)}),
        "translate_x": affine(translate_percent={"x": fifth, "y": (0, 0)}),
        "translate_y": affine(translate_percent={"x": (0, 0), "y": fifth}),
        "scale": affine(scale=(0.85, 1.15)),
        "affine": affine(
            rotate=(-15, 15),
            scale=(0.85, 1.15),
            shear={"x": (-slant, slant), "y": (0, 0)},
            translate_percent={"x": fifth, "y": fifth},
        ),
        "crop_and_pad": A.CropAndPad(percent=fifth, p=1),
        "perspective": A.Perspective(scale=(0.1, 0.1), p=1),
        "elastic": A.ElasticTransform(34, 4, noise_distribution="uniform", p=1),
        "horizontal_flip": A.HorizontalFlip(p=0.5),
        "vertical_flip": A.VerticalFlip(p=0.5),
        "brighten": A.RandomBrightnessContrast((-0.2, 0.2), (0, 0), p=1),
        "contrast": jitter(contrast=(0.5, 1.5)),
        "gamma_contrast": A.RandomGamma((50, 150), p=1),
        "invert": A.InvertImg(p=0.5),
        "hue": A.HueSaturationValue((-15, 15), 0, 0, p=1),
        "saturation": jitter(saturation=(0.5, 1.5)),
        "channel_shuffle": A.ChannelShuffle(p=0.5),
        "grey": A.ToGray(p=1),
        "posterise": A.Posterize((3, 7), p=1),
        "solarise": A.Solarize((0.5, 1.0), p=1),
        "equalise": A.Equalize(mode="pil", p=1),
        "autocontrast": A.AutoContrast(method="pil", p=1),
        "sharpen": A.Sharpen((0, 1), kernel_size=3, p=1),
        "gaussian_blur": A.GaussianBlur((13, 13), (0.0, 1.5), p=1),
        "motion_blur": A.MotionBlur((3, 7), allow_shifted=False, p=1),
        "additive_gaussian_noise": A.GaussNoise((0.0, 0.1), p=1),
        "salt": A.SaltAndPepper((0.0, 0.1), (1.0, 1.0), p=1),
        "pepper": A.SaltAndPepper((0.0, 0.1), (0.0, 0.0), p=1),
        "cutout": A.CoarseDropout((1, 1), (0.01, 0.5), (0.01, 0.5), fill=0.5, p=1),
        "emboss": A.Emboss((0, 1), (0, 1), p=1),
        "superpixel": A.Superpixels((0.2, 1.0), 64, p=1),
        "jpeg": A.ImageCompression(quality_range=(10, 90), p=1),
        "fog": A.RandomFog(p=1),
        "rain": A.RandomRain(p=1),
        "fast_snowy_landscape": A.RandomSnow(p=1),
    }

    def prepare(transform: A.BasicTransform, side: int) -> Call:
        images = batch(side, dtype)
        return lambda: np.stack([transform(image=image)["image"] for image in images])

    found = {name: functools.partial(prepare, each) for name, each in transforms.items()}
    # A crop's size depends on the image's.
    found["crop"] = lambda side: prepare(A.RandomCrop(side * 7 // 8, side * 7 // 8), side)
    return found


def kornia() -> Mapping[str, Prepare]:
    """Whole batches, channels first."""
    import kornia.augmentation as K
    import torch
    from kornia.augmentation.auto import RandAugment, TrivialAugment

    slant = math.degrees(math.atan(0.2))
    modules = {
        "rotate": lambda: K.RandomRotation(15.0, p=1),
        "shear_x": lambda: K.RandomShear((-slant, slant), p=1),
        "shear_y": lambda: K.RandomShear((0.0, 0.0, -slant, slant), p=1),
        "translate_x": lambda: K.RandomTranslate((-0.1, 0.1), None, p=1),
        "translate_y": lambda: K.RandomTranslate(None, (-0.1, 0.1), p=1),
        "scale": lambda: K.RandomAffine(0.0, scale=(0.85, 1.15), p=1),
        "affine": lambda: K.RandomAffine(15.0, (0.1, 0.1), (0.85, 1.15), slant, p=1),
        "perspective": lambda: K.RandomPerspective(0.2, p=1),
        "elastic": lambda: K.RandomElasticTransform((33, 33), (4.0, 4.0), (0.5, 0.5), p=1),
        "horizontal_flip": lambda: K.RandomHorizontalFlip(p=0.5),
        "vertical_flip": lambda: K.RandomVerticalFlip(p=0.5),
        "brighten": lambda: K.RandomBrightness((0.8, 1.2), p=1),
        "contrast": lambda: K.RandomContrast((0.5, 1.5), p=1),
        "gamma_contrast": lambda: K.RandomGamma((0.5, 1.5), p=1),
        "invert": lambda: K.RandomInvert(p=0.5),
        "hue": lambda: K.RandomHue((-1 / 12, 1 / 12), p=1),
        "saturation": lambda: K.RandomSaturation((0.5, 1.5), p=1),
        "channel_shuffle": lambda: K.RandomChannelShuffle(p=0.5),
        "grey": lambda: K.RandomGrayscale(p=1),
        "posterise": lambda: K.RandomPosterize((3.0, 8.0), p=1),
        "solarise": lambda: K.RandomSolarize((0.5, 1.0), (0.0, 0.0), p=1),
        "equalise": lambda: K.RandomEqualize(p=1),
        "autocontrast": lambda: K.RandomAutoContrast(p=1),
        "sharpen": lambda: K.RandomSharpness((0.0, 2.0), p=1),
        "gaussian_blur": lambda: K.RandomGaussianBlur((13, 13), (0.01, 1.5), p=1),
        "motion_blur": lambda: K.RandomMotionBlur((3, 7), (-90.0, 90.0), 0.0, p=1),
        "additive_gaussian_noise": lambda: K.RandomGaussianNoise(0.0, 0.05, p=1),
        "salt": lambda: K.RandomSaltAndPepperNoise((0.0, 0.1), (1.0, 1.0), p=1),
        "pepper": lambda: K.RandomSaltAndPepperNoise((0.0, 0.1), (0.0, 0.0), p=1),
        "cutout": lambda: K.RandomErasing((0.01, 0.25), (1.0, 1.0), 0.5, p=1),
        "jpeg": lambda: K.RandomJPEG((10.0, 90.0), p=1),
        "fast_snowy_landscape": lambda: K.RandomSnow((0.1, 0.5), (1.0, 4.0), p=1),
        "rain": lambda: K.RandomRain((10, 20), (5, 10), (-5, 5), p=1),
        "mixup": lambda: K.RandomMixUpV2(p=1),
        "cutmix": lambda: K.RandomCutMixV2(p=1),
        "randaugment": lambda: RandAugment(2, 10),
        "trivialaugment": lambda: TrivialAugment(),
    }

    def prepare(module: Callable, side: int) -> Call:
        images, distort = _first(batch(side)), module()
        if module in (modules["mixup"], modules["cutmix"]):
            labels = torch.arange(len(images)) % 10
            return lambda: distort(images, labels, data_keys=["input", "class"])
        return functools.partial(distort, images)

    found = {name: functools.partial(prepare, module) for name, module in modules.items()}
    found["crop"] = lambda side: prepare(lambda: K.RandomCrop((side * 7 // 8,) * 2, p=1), side)
    return found


def _first(images):
    """A numpy batch as torch's, with the channels first."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def eager_torch() -> Mapping[str, Prepare]:
    """Plain eager code on whole batches, with draws for each image."""
    import torch
    from torch.nn import functional as F

    def between(low: float, high: float, images, *more: int):
        return low + (high - low) * torch.rand(len(images), *(more or (1, 1, 1)))

    def warp(images, matrix):
        grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)

    def matrices(images, *, degrees=0.0, shear=(0.0, 0.0), shift=(0.0, 0.0), zoom=0.0):
        zero, one = torch.zeros(len(images)), torch.ones(len(images))
        draw = lambda most: between(-most, most, images, 1)[:, 0]  # noqa: E731
        angle, size = torch.deg2rad(draw(degrees)), 1 / (1 + draw(zoom))
        turn = torch.stack([angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero], 1)
        slant = torch.stack([one, draw(shear[0]), draw(shear[1]), one], 1).reshape(-1, 2, 2)
        matrix = turn.reshape(-1, 2, 3)
        matrix[:, :, :2] = size[:, None, None] * (matrix[:, :, :2] @ slant)
        # The grid's unit is half of the image.
        matrix[:, 0, 2], matrix[:, 1, 2] = 2 * draw(shift[0]), 2 * draw(shift[1])
        return matrix

    def affine(**ranges) -> Callable:
        return lambda images: warp(images, matrices(images, **ranges))

    def perspective(images):
        corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
        to = corners + 0.2 * between(-1, 1, images, 4, 2)
        (x, y), (u, v) = corners.T, to.unbind(2)
        x, y, one, zero = (each.expand_as(u) for each in (x, y, torch.ones(()), torch.zeros(())))
        rows = torch.cat(
            [
                torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], 2),
                torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], 2),
            ],
            1,
        )
        solved = torch.linalg.solve(rows, torch.cat([u, v], 1))
        matrix = torch.cat([solved, torch.ones(len(images), 1)], 1).reshape(-1, 3, 3)
        height, width = images.shape[2:]
        axis = lambda size: (2 * torch.arange(size) + 1) / size - 1  # noqa: E731
        y, x = torch.meshgrid(axis(height), axis(width), indexing="ij")
        places = torch.stack([x, y, torch.ones_like(x)], -1).reshape(1, -1, 3)
        moved = (places @ matrix.transpose(1, 2)).reshape(len(images), height, width, 3)
        return F.grid_sample(images, moved[..., :2] / moved[..., 2:], align_corners=False)

    def elastic(images):
        size = images.shape[2:]
        distance = torch.arange(-16.0, 17)
        weights = torch.exp(-(distance**2) / 32)
        weights = weights / weights.sum()
        noise = 2 * torch.rand(2 * len(images), 1, *size) - 1
        noise = F.conv2d(noise, weights.reshape(1, 1, -1, 1), padding=(16, 0))
        noise = F.conv2d(noise, weights.reshape(1, 1, 1, -1), padding=(0, 16))
        field = noise.reshape(len(images), 2, *size) * (2 * 34 / torch.tensor(size))[:, None, None]
        grid = F.affine_grid(torch.eye(2, 3)[None], [1, 1, *size], align_corners=False)
        return F.grid_sample(images, grid + field.permute(0, 2, 3, 1), align_corners=False)

    def crop(images):
        side = images.shape[2] * 7 // 8
        places = torch.randint(0, images.shape[2] - side + 1, (len(images), 2)).tolist()
        return torch.stack(
            [
                image[:, y : y + side, x : x + side]
                for image, (y, x) in zip(images, places, strict=True)
            ]
        )

    def sometimes(change: Callable) -> Callable:
        return lambda images: torch.where(
            torch.rand(len(images), 1, 1, 1) < 0.5, change(images), images
        )

    def luma(images):
        red, green, blue = images.split(1, 1)
        return 0.299 * red + 0.587 * green + 0.114 * blue

    def blend(images, towards, factor):
        return (towards + factor * (images - towards)).clamp(0, 1)

    def hue(images):
        red, green, blue = images.unbind(1)
        value, least = images.amax(1), images.amin(1)
        chroma = value - least
        divisor = torch.where(chroma == 0, 1, chroma)
        sixths = torch.where(
            value == red,
            (green - blue) / divisor,
            torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
        )
        sixths = sixths + between(-0.5, 0.5, images, 1, 1)
        place = (sixths[:, None] + torch.tensor([5.0, 3, 1])[:, None, None]) % 6
        below = torch.minimum(place, 4 - place).clamp(0, 1)
        return value[:, None] - chroma[:, None] * below

    def shuffle(images):
        order = torch.rand(len(images), 3).argsort(1)[:, :, None, None].expand_as(images)
        return images.gather(1, order)

    def posterise(images):
        dropped = (8 - between(3, 8, images).round()).to(torch.uint8)
        levels = (255 * images).round().to(torch.uint8)
        return ((levels >> dropped) << dropped) / 255

    def solarise(images):
        return torch.where(images < between(0.5, 1, images), images, 1 - images)

    def equalise(images):
        levels = (255 * images).round().long().flatten(2)
        counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.long)
        counts.scatter_add_(2, levels, torch.ones_like(levels))
        darker = (counts.cumsum(2) - counts).gather(2, levels)
        level = darker / darker.amax(2, keepdim=True).clamp(min=1)
        return blend(images, level.reshape(images.shape), between(0, 1, images))

    def sharpen(images):
        kernel = torch.tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]).expand(3, 1, 3, 3) / 13
        blurred = F.conv2d(F.pad(images, (1,) * 4, "replicate"), kernel, groups=3)
        return blend(images, blurred, 1 + between(0, 2, images))

    def blur(images):
        # Images and channels as groups: each image has weights of its own.
        distance = torch.arange(-6.0, 7)
        weights = torch.exp(-0.5 * (distance / between(1e-3, 1.5, images, 1)) ** 2)
        weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(3, 0)
        flat = F.pad(images, (6,) * 4, "reflect").flatten(0, 1)[None]
        flat = F.conv2d(flat, weights[:, None, :, None], groups=len(weights))
        return F.conv2d(flat, weights[:, None, None, :], groups=len(weights)).reshape(images.shape)

    def noise(images):
        return (images + between(0, 0.1, images) * torch.randn_like(images)).clamp(0, 1)

    def pixels(value: float) -> Callable:
        return lambda images: torch.where(
            torch.rand(len(images), 1, *images.shape[2:]) < between(0, 0.1, images), value, images
        )

    def cutout(images):
        height, width = images.shape[2:]
        half = between(0, 0.25, images) * height
        y, x = torch.arange(height)[:, None], torch.arange(width)
        down, right = between(0, height, images), between(0, width, images)
        return torch.where(((y - down).abs() < half) & ((x - right).abs() < half), 0.5, images)

    def mixup(images):
        share = torch.distributions.Beta(0.2, 0.2).sample((len(images), 1, 1, 1))
        return share * images + (1 - share) * images[torch.randperm(len(images))]

    functions = {
        "rotate": affine(degrees=15.0),
        "shear_x": affine(shear=(0.2, 0.0)),
        "shear_y": affine(shear=(0.0, 0.2)),
        "translate_x": affine(shift=(0.1, 0.0)),
        "translate_y": affine(shift=(0.0, 0.1)),
        "scale": affine(zoom=0.15),
        "affine": affine(degrees=15.0, shear=(0.2, 0.0), shift=(0.1, 0.1), zoom=0.15),
        "perspective": perspective,
        "elastic": elastic,
        "crop": crop,
        "horizontal_flip": sometimes(lambda images: images.flip(3)),
        "vertical_flip": sometimes(lambda images: images.flip(2)),
        "brighten": lambda images: (images + between(-0.2, 0.2, images)).clamp(0, 1),
        "contrast": lambda images: blend(
            images, luma(images).mean((1, 2, 3), keepdim=True), between(0.5, 1.5, images)
        ),
        "gamma_contrast": lambda images: images ** between(0.5, 1.5, images),
        "invert": sometimes(lambda images: 1 - images),
        "hue": hue,
        "saturation": lambda images: blend(images, luma(images), between(0.5, 1.5, images)),
        "channel_shuffle": sometimes(shuffle),
        "grey": lambda images: blend(images, luma(images), between(0, 1, images)),
        "posterise": posterise,
        "solarise": solarise,
        "equalise": equalise,
        "sharpen": sharpen,
        "gaussian_blur": blur,
        "additive_gaussian_noise": noise,
        "salt": pixels(1.0),
        "pepper": pixels(0.0),
        "cutout": cutout,
        "mixup": mixup,
    }

    def prepare(function: Callable, side: int) -> Call:
        return functools.partial(function, _first(batch(side)))

    return {name: functools.partial(prepare, each) for name, each in functions.items()}


def dm_pix() -> Mapping[str, Prepare]:
    """Under jit and vmap; where it draws nothing itself, jax.random does."""
    import dm_pix as pix
    import jax
    import jax.numpy as jnp

    def between(key, low: float, high: float):
        return jax.random.uniform(key, (), minval=low, maxval=high)

    def affine(degrees=0.0, shear=(0.0, 0.0), shift=(0.0, 0.0), zoom=0.0) -> Callable:
        def move(key, image):
            keys = jax.random.split(key, 6)
            draw = lambda i, most: between(keys[i], -most, most)  # noqa: E731
            angle, size = jnp.deg2rad(draw(0, degrees)), 1 / (1 + draw(5, zoom))
            cosine, sine = jnp.cos(angle), jnp.sin(angle)
            turn = jnp.array([[cosine, -sine], [sine, cosine]])
            slant = jnp.array([[1.0, draw(1, shear[1])], [draw(2, shear[0]), 1.0]])
            matrix = jnp.eye(3).at[:2, :2].set(size * jnp.sum(turn[:, :, None] * slant[None], 1))
            centre = jnp.array([(n - 1) / 2 for n in image.shape[:2]])
            along = jnp.array([draw(3, shift[1]), draw(4, shift[0])]) * image.shape[0]
            offset = jnp.append(centre - matrix[:2, :2] @ centre - along, 0.0)
            return pix.affine_transform(image, matrix, offset=offset, mode="constant")

        return move

    def blur(key, image):
        return pix.gaussian_blur(image, between(key, 1e-3, 1.5), 13)

    def crop(key, image):
        side = image.shape[0] * 7 // 8
        return pix.random_crop(key, image, (side, side, image.shape[2]))

    functions = {
        "rotate": lambda key, image: pix.rotate(
            image, jnp.deg2rad(between(key, -15, 15)), mode="constant"
        ),
        "shear_x": affine(shear=(0.2, 0.0)),
        "shear_y": affine(shear=(0.0, 0.2)),
        "translate_x": affine(shift=(0.1, 0.0)),
        "translate_y": affine(shift=(0.0, 0.1)),
        "scale": affine(zoom=0.15),
        "affine": affine(15.0, (0.2, 0.0), (0.1, 0.1), 0.15),
        "elastic": lambda key, image: pix.elastic_deformation(
            key, image, 34.0, 4.0, mode="constant"
        ),
        "crop": crop,
        "horizontal_flip": pix.random_flip_left_right,
        "vertical_flip": pix.random_flip_up_down,
        "brighten": lambda key, image: pix.random_brightness(key, image, 0.2).clip(0, 1),
        "contrast": lambda key, image: pix.random_contrast(key, image, 0.5, 1.5).clip(0, 1),
        "gamma_contrast": lambda key, image: pix.random_gamma(key, image, 0.5, 1.5),
        "hue": lambda key, image: pix.random_hue(key, image, 1 / 12),
        "saturation": lambda key, image: pix.random_saturation(key, image, 0.5, 1.5),
        "grey": lambda key, image: pix.rgb_to_grayscale(image, keep_dims=True),
        "solarise": lambda key, image: pix.solarize(image, between(key, 0.5, 1.0)),
        "gaussian_blur": blur,
    }
    return {name: functools.partial(jitted, each) for name, each in functions.items()}


def augmax() -> Mapping[str, Prepare]:
    """Under jit and vmap."""
    import augmax as ax

    transforms = {
        "rotate": ax.Rotate((-15, 15), p=1.0),
        "elastic": ax.Warp(5, 8),
        "horizontal_flip": ax.HorizontalFlip(p=0.5),
        "vertical_flip": ax.VerticalFlip(p=0.5),
        "brighten": ax.RandomBrightness((-0.2, 0.2), p=1.0),
        "contrast": ax.RandomContrast((-0.5, 0.5), p=1.0),
        "gamma_contrast": ax.RandomGamma((0.5, 1.5), p=1.0),
        "hue": ax.ColorJitter(0.0, 0.0, 0.0, 1 / 12, p=1.0),
        "saturation": ax.ColorJitter(0.0, 0.0, 0.5, 0.0, p=1.0),
        "channel_shuffle": ax.ChannelShuffle(p=0.5),
        "grey": ax.RandomGrayscale(p=1.0),
        "solarise": ax.Solarization(0.5, p=1.0),
        "gaussian_blur": ax.GaussianBlur(1.5, p=1.0),
    }
    found = {
        name: functools.partial(jitted, ax.Chain(transform))
        for name, transform in transforms.items()
    }
    found["crop"] = lambda side: jitted(ax.Chain(ax.RandomCrop(side * 7 // 8)), side)
    return found


LIBRARIES: dict[str, Callable[[], Mapping[str, Prepare]]] = {
    "cnnjax": functools.partial(ours, "float32"),
    "cnnjax uint8": functools.partial(ours, "uint8"),
    "Albumentations uint8": functools.partial(albumentations, "uint8"),
    "Albumentations float": functools.partial(albumentations, "float32"),
    "kornia": kornia,
    "torch": eager_torch,
    "dm_pix": dm_pix,
    "augmax": augmax,
}
"""By name: what each can do. Ours come first."""
OURS = ("cnnjax", "cnnjax uint8")


def serve(library: str) -> None:
    """Answers questions on standard input, (operation, side), with images a second on output.

    The first line that it says is the list of what the library can do.
    """
    try:
        found = LIBRARIES[library]()
    except ModuleNotFoundError:
        found = {}
    # Whatever else a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    tell = lambda said: print(json.dumps(said), file=answers, flush=True)  # noqa: E731
    tell(list(found))

    @functools.lru_cache(maxsize=1)
    def warm(name: str, side: int) -> Call:
        call = found[name](side)
        seconds(call)
        return call

    for line in sys.stdin:
        name, side = json.loads(line)
        tell(IMAGES[side] * rate(warm(name, side), LEAST_SECONDS))


class Server:
    """A library in a process of its own."""

    def __init__(self, library: str):
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, __file__, f"--serve={library}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.operations: list[str] = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process of {self.library} ended; its words are above")
        return json.loads(line)

    def rate(self, name: str, side: int) -> float:
        """Images a second."""
        print(json.dumps([name, side]), file=self.process.stdin, flush=True)
        return self._answer()


def compare(servers: list[Server], name: str, side: int, rounds: int) -> dict[str, list[float]]:
    """Images a second of each library that has the operation, round by round."""
    able = [server for server in servers if name in server.operations]
    told: dict[str, list[float]] = {server.library: [] for server in able}
    for _ in range(rounds):
        for server in able:
            told[server.library].append(server.rate(name, side))
    return told


Found = dict[str, dict[int, dict[str, list[float]]]]
"""Images a second by operation, side and library, round by round."""


def ratios(told: dict[str, list[float]], peer: str) -> list[float]:
    """Ours to a peer's of the same type, round by round."""
    same = OURS["uint8" in peer]
    return [ours / theirs for ours, theirs in zip(told[same], told[peer], strict=True)]


def short(ratio: float) -> str:
    """Two significant digits, never as a power of ten."""
    return f"{float(f'{ratio:.2g}'):g}"


def tables(found: Found, peers: list[str]) -> str:
    """The table of medians, in Markdown, and a line for each place where we are behind."""
    speeds = [f"{own.replace('cnnjax', 'images/s')}, {side}²" for own in OURS for side in IMAGES]
    heads = ["operation", *speeds, *peers]
    lines, behind = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"], []
    for name, sides in found.items():
        cells = [
            f"{statistics.median(told[own]):,.0f}" if own in told else "–"
            for own in OURS
            for told in sides.values()
        ]
        for peer in peers:
            pairs = {side: ratios(told, peer) for side, told in sides.items() if peer in told}
            medians = [short(statistics.median(each)) for each in pairs.values()]
            cells.append(" / ".join(medians) or "–")
            behind += [
                f"behind {peer}: {name}, {side}×{side}, {statistics.median(each):.2f} "
                f"({min(each):.2f}–{max(each):.2f})"
                for side, each in pairs.items()
                if statistics.median(each) < 1
            ]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join([*lines, "", *sorted(behind), ""])


def rows(found: Found) -> str:
    """Everything that was measured, as lines of comma-separated values."""
    lines = ["operation,side,library,images_per_second_of_each_round"]
    for name, sides in found.items():
        for side, told in sides.items():
            lines += [
                f"{name},{side},{library},{' '.join(f'{rate:.1f}' for rate in each)}"
                for library, each in told.items()
            ]
    return "\n".join([*lines, ""])


def main(_: list[str]) -> None:
    """Prints the table and writes it after every operation, so that one may stop at any time."""
    if _SERVE.value:
        return serve(_SERVE.value)
    start, servers = time.perf_counter(), [Server(OURS[0])]
    unknown = set(_ONLY.value) - set(servers[0].operations)
    if unknown:
        raise app.UsageError(f"--only: no operation is called {', '.join(sorted(unknown))}")
    servers += [Server(library) for library in LIBRARIES if library != OURS[0]]
    names = [name for name in servers[0].operations if not _ONLY.value or name in _ONLY.value]
    peers = [
        server.library for server in servers if server.operations and server.library not in OURS
    ]
    out = pathlib.Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    found: Found = {}
    for number, name in enumerate(names, 1):
        found[name] = {side: compare(servers, name, side, _ROUNDS.value) for side in IMAGES}
        (out / "table.md").write_text(tables(found, peers))
        (out / "rounds.csv").write_text(rows(found))
        done = f"{number}/{len(names)} {name}, {time.perf_counter() - start:.0f} s"
        print(f"\r{done:60s}", end="", file=sys.stderr, flush=True)
    print(f"\n{tables(found, peers)}")


if __name__ == "__main__":
    app.run(main)
