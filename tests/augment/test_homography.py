import jax
import numpy as np
from scipy import ndimage
from skimage.transform import ProjectiveTransform

from cnnjax import augment

KEY = jax.random.key(0)
PICTURE = np.random.default_rng(0).random((9, 7, 3)).astype(np.float32)


def test_perspective_agrees_with_scikit_image():
    size = np.array([9, 7])
    motion = augment.draw_perspective(KEY, (9, 7))
    matrix = np.asarray(motion.steps[0], np.float64)
    # Where the corners went, and that it is within what was asked for.
    home = np.array([[-0.5, -0.5], [-0.5, 6.5], [8.5, 6.5], [8.5, -0.5]])
    corners = np.append(home, np.ones((4, 1)), 1) @ np.linalg.inv(matrix).T
    corners = corners[:, :2] / corners[:, 2:]
    assert 0.01 < np.abs((corners - home) / size).max() <= 0.1001
    transform = ProjectiveTransform.from_estimate(corners, home)
    where = transform(np.mgrid[:9, :7].reshape(2, -1).T).T.reshape(2, 9, 7)
    expected = ndimage.map_coordinates(PICTURE[..., 1], where, order=1, mode="grid-constant")
    np.testing.assert_allclose(augment.perspective(KEY, PICTURE)[..., 1], expected, atol=1e-4)
    # All corners inward alike: the picture on 60 % of the canvas.
    found = augment.perspective(KEY, PICTURE, inward=0.2)
    centre = np.array([4, 3])[:, None, None]
    where = centre + (np.mgrid[:9, :7] - centre) / 0.6
    for channel in range(3):
        expected = ndimage.map_coordinates(
            PICTURE[..., channel], where, order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(found[..., channel], expected, atol=1e-4)
