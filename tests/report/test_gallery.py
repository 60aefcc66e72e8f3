"""The pictures: every error of the right member, each tile the right image."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cnnjax.report import gallery, reading


def decode(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.fixture
def published(builders, tmp_path: Path) -> reading.Study:
    return reading.read(builders["published"](tmp_path))


def test_the_best_networks_median_seed_is_shown(published, tmp_path):
    found = gallery.errors(published, tmp_path)
    assert found is not None
    assert found.entry.startswith("Cireşan")
    frame = published.predictions
    own = frame[frame["entry"] == found.entry]
    counts = (own["first"] != own["truth"]).groupby(own["seed"]).sum()
    assert found.total == np.median(counts)
    assert counts[found.seed] == found.total
    assert found.shown == found.total == sum(len(mistakes) for _, mistakes in found.groups)


def test_each_tile_is_its_image_under_its_truth(published, tmp_path):
    found = gallery.errors(published, tmp_path)
    assert found is not None
    sprite = decode(found.sprite)
    width, height = found.size[2:]
    place = {number: i for i, number in enumerate(published.pictures["error_index"])}
    frame = published.predictions
    own = frame[(frame["entry"] == found.entry) & (frame["seed"] == found.seed)].set_index("index")
    for truth, mistakes in found.groups:
        for each in mistakes:
            tile = sprite[each.y : each.y + height, each.x : each.x + width]
            image = published.pictures["error_images"][place[each.number]]
            np.testing.assert_array_equal(tile, image[..., 0])
            row = own.loc[each.number]
            assert (truth, each.first, each.second) == (
                str(row["truth"]),
                str(row["first"]),
                str(row["second"]),
            )
            assert each.first_probability == row["first_probability"]


def test_too_many_errors_leave_the_surest(published, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "MOST_ERRORS", 10)
    found = gallery.errors(published, tmp_path)
    assert found is not None
    assert found.shown == 10 < found.total
    frame = published.predictions
    own = frame[(frame["entry"] == found.entry) & (frame["seed"] == found.seed)]
    surest = own[own["first"] != own["truth"]].nlargest(10, "first_probability")["index"]
    shown = {each.number for _, mistakes in found.groups for each in mistakes}
    assert shown == set(surest)


def test_no_error_at_all(published, tmp_path):
    frame = published.predictions
    frame = frame.assign(first=frame["truth"].where(frame["route"] == "ciresan5", frame["first"]))
    found = gallery.errors(published._replace(predictions=frame), tmp_path)
    assert found is not None
    assert (found.total, found.groups) == (0, [])


def test_a_network_whose_errors_have_no_picture_is_passed_over(published, tmp_path):
    frame = published.predictions
    best = frame["route"] == "ciresan5"
    moved = frame.assign(index=frame["index"].where(~best, frame["index"] + 50_000))
    kept = pd.unique(moved[(moved["first"] != moved["truth"]) & ~best]["index"])
    pictures = {
        "error_index": kept,
        "error_images": np.zeros((len(kept), 28, 28, 1), np.uint8),
    }
    found = gallery.errors(published._replace(predictions=moved, pictures=pictures), tmp_path)
    assert found is not None
    assert found.entry == "MLP-800, elastic"


def test_kernels_are_white_at_nought_and_share_a_scale(published, tmp_path):
    kernel = np.zeros((3, 3, 2, 4), np.float32)
    kernel[0, 0, 0, 0], kernel[2, 2, 1, 3] = 2.0, -2.0
    pictures = {"kernel__00__Conv_0": kernel, "input": np.zeros((8, 8, 1), np.uint8)}
    found = gallery.inside(published._replace(pictures=pictures), tmp_path)
    assert found is not None
    (layer,) = found.kernels
    picture = decode(layer.source)
    assert picture.shape == (3, 8 * 3 + 7, 4)  # eight kernels in a row, with gaps
    assert layer.name == "Conv_0"
    assert layer.shape == "3×3×2×4"
    np.testing.assert_allclose(picture[1, 1, :3], 247, atol=2)
    assert picture[0, 0, 0] > picture[0, 0, 2]  # positive: orange
    assert picture[2, -1, 2] > picture[2, -1, 0]  # negative: blue
    assert picture[0, 3, 3] == 0  # the gap shows the page through
