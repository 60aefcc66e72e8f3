"""Random distortions of images and signals, on the device, a fresh draw for each example.

Key first, the same key the same bits. `operation(key, image, *, …, strength)` is for one image:
batch it with jax.vmap, or put it into a policy. Images are floats in [0, 1], or bytes (uint8), of
which 255 is 1; the result is of the same type. Where a docstring speaks of values in [0, 1], read
v / 255 for bytes, to the nearest of which results are rounded. At strength 0, and with neutral
parameters, an operation gives its image back bit for bit. Any chain of geometry is one resample.
"""

from cnnjax.augment.affine import (
    draw_horizontal_flip,
    draw_rotate,
    draw_scale,
    draw_shear_x,
    draw_shear_y,
    draw_translate_x,
    draw_translate_y,
    draw_vertical_flip,
    horizontal_flip,
    rotate,
    scale,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
    vertical_flip,
)
from cnnjax.augment.blur import gaussian_blur, motion_blur
from cnnjax.augment.colour import (
    autocontrast,
    brighten,
    channel_shuffle,
    contrast,
    equalise,
    gamma_contrast,
    grey,
    hue,
    invert,
    posterise,
    saturation,
    sharpen,
    solarise,
)
from cnnjax.augment.compression import jpeg
from cnnjax.augment.cropping import crop, crop_and_pad, draw_crop, draw_crop_and_pad
from cnnjax.augment.distortion import Distortion, Draw
from cnnjax.augment.elastic import displacement_field, draw_elastic, elastic, smoothing_matrix
from cnnjax.augment.geometry import (
    affine_matrix,
    canvas_corners,
    perspective_matrix,
)
from cnnjax.augment.homography import draw_perspective, perspective
from cnnjax.augment.mixing import MIXTURES, cutmix, mixup
from cnnjax.augment.motion import (
    Motion,
    clip_boxes,
    compose,
    move_boxes,
    move_image,
    move_mask,
    move_points,
)
from cnnjax.augment.named import NAMES, build
from cnnjax.augment.noise import additive_gaussian_noise, coarse_salt, pepper, salt
from cnnjax.augment.occlusion import cutout, emboss, superpixel
from cnnjax.augment.photographs import photographs
from cnnjax.augment.policies import (
    AugMix,
    OneOf,
    RandAugment,
    Sequence,
    SomeOf,
    TrivialAugment,
    draw_move,
    move,
)
from cnnjax.augment.scenes import Composition, Randomisation, compose_scene, in_scene, mask_of
from cnnjax.augment.signals import additive_noise, gain, pitch, shift, speed, time_mask
from cnnjax.augment.weather import clouds, fast_snowy_landscape, fog, octave_noise, rain, snowflakes

__all__ = [
    "MIXTURES",
    "NAMES",
    "AugMix",
    "Composition",
    "Distortion",
    "Draw",
    "Motion",
    "OneOf",
    "RandAugment",
    "Randomisation",
    "Sequence",
    "SomeOf",
    "TrivialAugment",
    "additive_gaussian_noise",
    "additive_noise",
    "affine_matrix",
    "autocontrast",
    "brighten",
    "build",
    "canvas_corners",
    "channel_shuffle",
    "clip_boxes",
    "clouds",
    "coarse_salt",
    "compose",
    "compose_scene",
    "contrast",
    "crop",
    "crop_and_pad",
    "cutmix",
    "cutout",
    "displacement_field",
    "draw_crop",
    "draw_crop_and_pad",
    "draw_elastic",
    "draw_horizontal_flip",
    "draw_move",
    "draw_perspective",
    "draw_rotate",
    "draw_scale",
    "draw_shear_x",
    "draw_shear_y",
    "draw_translate_x",
    "draw_translate_y",
    "draw_vertical_flip",
    "elastic",
    "emboss",
    "equalise",
    "fast_snowy_landscape",
    "fog",
    "gain",
    "gamma_contrast",
    "gaussian_blur",
    "grey",
    "horizontal_flip",
    "hue",
    "in_scene",
    "invert",
    "jpeg",
    "mask_of",
    "mixup",
    "motion_blur",
    "move",
    "move_boxes",
    "move_image",
    "move_mask",
    "move_points",
    "octave_noise",
    "pepper",
    "perspective",
    "perspective_matrix",
    "photographs",
    "pitch",
    "posterise",
    "rain",
    "rotate",
    "salt",
    "saturation",
    "scale",
    "sharpen",
    "shear_x",
    "shear_y",
    "shift",
    "smoothing_matrix",
    "snowflakes",
    "solarise",
    "speed",
    "superpixel",
    "time_mask",
    "translate_x",
    "translate_y",
    "vertical_flip",
]
