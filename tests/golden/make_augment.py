"""Writes augment.npz: what imgaug makes of fixed pictures, for tests/augment/test_golden.py.

Run once, in an environment of its own (Python 3.11), as imgaug needs an old numpy:

    pip install imgaug==0.4.0 "numpy<1.24" "opencv-python-headless<4.12"
    python tests/golden/make_augment.py

with which pip chose numpy 1.23.5, scikit-image 0.24.0, opencv 4.11.0, scipy 1.15.3, Pillow 13.0.0.

Operations without randomness are kept as pictures; of those that draw, numbers are kept, which are
statistics over many draws.
"""

import functools
import itertools
import pathlib

import numpy as np

FILE = pathlib.Path(__file__).with_name("augment.npz")
# A layer is a picture of one channel in [0, 1], the weather alone: SIZE pixels square.
SIZE = 96
LAYERS = 400
# Ends of the octaves, in cycles a picture.
OCTAVES = (1, 2, 4, 8, 16, 48)


def statistics(layers):
    """Numbers that say what weather looks like, for each layer of (count, size, size).

    - The mean and the standard deviation over the pixels.
    - The coverage: the share of pixels above 0.1.
    - The spectrum: the share of the variance in each of the `OCTAVES`, after a Hann window.
    """
    layers = np.asarray(layers, np.float64)
    size = layers.shape[1]
    taper = np.hanning(size)[:, None] * np.hanning(size)
    centred = (layers - layers.mean((1, 2), keepdims=True)) * taper
    power = np.abs(np.fft.fft2(centred)) ** 2
    frequency = np.hypot(*np.meshgrid(*2 * [np.fft.fftfreq(size) * size], indexing="ij"))
    octave = [(frequency >= low) & (frequency < high) for low, high in itertools.pairwise(OCTAVES)]
    inside = np.stack([power[:, ring].sum(1) for ring in octave])
    shares = inside / np.maximum(inside.sum(0), 1e-12)
    return np.stack(
        [layers.mean((1, 2)), layers.std((1, 2)), np.mean(layers > 0.1, (1, 2)), *shares], axis=1
    )


# α's least, factor, exponent, greatest frequency, sparsity, density; in imgaug's order.
CLOUDS = (0.0, 1.0, -2.0, 64, 1.5, 0.8)
FOG = (0.7, 0.3, -3.0, 8, 1.0, 0.8)


def drawn(augmenter, count, size, grey=0):
    """What the augmenter makes of as many plain pictures, in [0, 1]."""
    images = np.full((count, size, size, 3), grey, np.uint8)
    return augmenter(images=images).astype(np.float32) / 255


def main():
    """Writes the file."""
    # Here and not above: the test imports this module for its statistics and has no imgaug.
    import imgaug
    import imgaug.augmenters as iaa
    import skimage

    imgaug.seed(0)
    # imgaug 0.4 was written for a slic that counts its segments from 0.
    skimage.segmentation.slic = functools.partial(skimage.segmentation.slic, start_label=0)

    photo = np.ascontiguousarray(skimage.data.astronaut()[0:192:4, 128:320:4])
    golden = {"photo": photo}
    for alpha, strength in [(1.0, 0.0), (0.4, 0.7), (0.8, 1.0)]:
        golden[f"emboss {alpha} {strength}"] = iaa.Emboss(alpha, strength)(image=photo)
    for threshold, factor in [(140, 2.5), (100, 1.5), (255, 4.0)]:
        snowy = iaa.FastSnowyLandscape(threshold, float(factor))
        golden[f"fast_snowy_landscape {threshold} {factor}"] = snowy(image=photo)
    for length, angle in [(5, 0.0), (5, 90.0), (9, 45.0), (9, -20.0)]:
        # Direction 0 is an even path.
        blur = iaa.MotionBlur(k=length, angle=angle, direction=0.0, order=1)
        golden[f"motion_blur {length} {angle}"] = blur(image=photo)
    golden["superpixel 64"] = iaa.Superpixels(p_replace=1.0, n_segments=64)(image=photo)

    # Which rows and columns begin another cell, over many draws: 5 and 7 cells of 48 pixels.
    for cells in (5, 7):
        salt = iaa.CoarseSalt(p=0.3, size_px=cells)
        white = drawn(salt, 300, 48)[..., 0] > 0
        golden[f"coarse_salt {cells} share"] = np.array([white.mean(), white.mean((1, 2)).std()])
        starts = np.flatnonzero(np.diff(white.astype(int), axis=1).any((0, 2))) + 1
        golden[f"coarse_salt {cells} starts"] = starts

    for grey in (128, 230):
        noisy = drawn(iaa.AdditiveGaussianNoise(scale=25.5, per_channel=True), 200, 32, grey)
        numbers = [noisy.mean(), noisy.std(), np.mean(noisy == 1)]
        golden[f"additive_gaussian_noise {grey}"] = np.array(numbers)

    # The opacity alone, with every parameter fixed; ours has the same formula.
    opacity = functools.partial(iaa.CloudLayer._generate_alpha_mask, SIZE, SIZE)
    for name, options in {"clouds": CLOUDS, "fog": FOG}.items():
        layers = [opacity(*options, imgaug.random.RNG(seed)) for seed in range(LAYERS)]
        golden[f"{name} opacity"] = statistics(layers).mean(0)

    # One layer each, in the ranges that imgaug has: for clouds those of its finer layer, for snow
    # and rain those that it advises for pictures of 96 × 128 pixels.
    weather = {
        "clouds": iaa.Clouds()[1],
        "fog": iaa.Fog(),
        "snowflakes": iaa.Snowflakes(flake_size=(0.1, 0.4), speed=(0.01, 0.05))[0],
        "rain": iaa.Rain(speed=(0.1, 0.3))[0],
    }
    for name, augmenter in weather.items():
        layers = drawn(augmenter, LAYERS, SIZE)[..., 0]
        golden[name] = statistics(layers).mean(0)
    np.savez_compressed(FILE, **golden)


if __name__ == "__main__":
    main()
