import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage
from PIL import Image
from scipy import fft

from cnnjax.augment import compression, jpeg

KEY = jax.random.key(0)


def astronaut(height, width, channels):
    whole = skimage.data.astronaut()[50 : 50 + 2 * height : 2, 150 : 150 + 2 * width : 2]
    if channels == 1:
        whole = np.asarray(Image.fromarray(whole).convert("L"))[..., None]
    return whole.astype(np.float32) / 255


def pillow(image, quality):
    levels = np.uint8(np.round(image * 255))
    file = io.BytesIO()
    Image.fromarray(levels.squeeze()).save(file, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(file)).reshape(image.shape) / 255


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 95])
@pytest.mark.parametrize("shape", [(96, 80, 3), (61, 99, 3), (61, 99, 1)])
def test_jpeg_is_pillows_round_trip(shape, quality):
    image = astronaut(*shape)
    found = jax.jit(functools.partial(jpeg, quality=quality))(KEY, image)
    expected = pillow(image, quality)
    apart = np.abs(found - expected) * 255
    # libjpeg computes its transform in integers: in one block of thirty, of ten at quality 95, a
    # coefficient is an eighth off and rounds to the other side, which its whole block shows.
    assert apart.mean() < 0.25
    assert np.mean(apart <= 2.5) > 0.98
    assert np.median(apart) < 1e-3


def test_a_grey_block_is_scipys_dct_rounded_to_the_table():
    image = np.random.default_rng(1).integers(0, 256, (8, 16, 1)).astype(np.float32) / 255
    found = np.asarray(jpeg(KEY, image, quality=50))[..., 0] * 255
    for first in (0, 8):
        block = image[:, first : first + 8, 0] * 255
        coefficients = fft.dctn(block - 128, norm="ortho")
        # At quality 50 the table is the standard's own.
        rounded = np.round(coefficients / compression._LUMINANCE) * compression._LUMINANCE
        expected = np.clip(fft.idctn(rounded, norm="ortho") + 128, 0, 255)
        np.testing.assert_allclose(found[:, first : first + 8], expected, atol=0.51)


@pytest.mark.parametrize("quality", [1, 10, 33, 50, 67, 99])
def test_tables_are_those_that_pillow_writes(quality):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization
    for which, table in enumerate([compression._LUMINANCE, compression._CHROMINANCE]):
        scaled = compression._scaled(table, jnp.int32(quality))
        assert np.array_equal(np.ravel(scaled), written[which])


def test_jpeg_at_quality_100_is_no_compression_and_worse_is_worse():
    image = astronaut(40, 40, 3)
    assert np.array_equal(jpeg(KEY, image, quality=100), image)
    lost = [np.abs(jpeg(KEY, image, quality=q) - image).mean() for q in (90, 50, 10)]
    assert 0 < lost[0] < lost[1] < lost[2]
    assert np.array_equal(jpeg(KEY, image, quality=40, strength=9.0), jpeg(KEY, image, quality=1))


def test_padding_leaves_the_inner_blocks_alone():
    image = astronaut(24, 24, 1)
    np.testing.assert_allclose(
        jpeg(KEY, image[:19, :21], quality=30)[:16, :16],
        jpeg(KEY, image, quality=30)[:16, :16],
        atol=1 / 255 + 1e-6,
    )


@pytest.mark.parametrize("quality", [0, 101])
def test_bad_qualities_are_refused(quality):
    with pytest.raises(ValueError, match=rf"quality={quality}: expected .* within \[1, 100\]"):
        jpeg(KEY, astronaut(8, 8, 3), quality=quality)
