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


def own_frame(published: reading.Study, found: gallery.Errors) -> pd.DataFrame:
    frame = published.predictions
    assert frame is not None
    return frame[(frame["entry"] == found.entry) & (frame["seed"] == found.seed)]


def test_every_network_shows_the_errors_of_its_median_seed(published, tmp_path):
    found = gallery.errors(published, tmp_path)
    assert found is not None
    assert [each.entry for each in found.entries] == published.entries
    frame = published.predictions
    for each in found.entries:
        own = frame[frame["entry"] == each.entry]
        counts = (own["first"] != own["truth"]).groupby(own["seed"]).sum()
        assert each.total == np.median(counts)
        assert counts[each.seed] == each.total
        assert each.shown == each.total == sum(len(mistakes) for _, mistakes in each.groups)
    assert len({each.total for each in found.entries}) > 1
    assert found.whole


def test_each_tile_is_its_image_under_its_truth(published, tmp_path):
    names = np.array([f"class {letter}" for letter in "abcdefghij"])
    named = published._replace(pictures=published.pictures | {"class_names": names})
    found = gallery.errors(named, tmp_path)
    assert found is not None
    sprite = decode(found.sprite)
    width, height = found.size[2:]
    place = {number: i for i, number in enumerate(published.pictures["error_index"])}
    for own in found.entries:
        rows = own_frame(published, own).set_index("index")
        for truth, mistakes in own.groups:
            for each in mistakes:
                tile = sprite[each.y : each.y + height, each.x : each.x + width]
                image = published.pictures["error_images"][place[each.number]]
                np.testing.assert_array_equal(tile, image[..., 0])
                row = rows.loc[each.number]
                labels = (row["truth"], row["first"], row["second"])
                assert (truth, each.first, each.second) == tuple(names[list(labels)])
                assert each.first_probability == row["first_probability"]


def test_without_names_classes_are_numbers(published, tmp_path):
    found = gallery.errors(published, tmp_path)
    assert found is not None
    assert [truth for truth, _ in found.entries[0].groups] == list("0123456789")


def test_too_many_errors_leave_the_surest(published, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "MOST_ERRORS", 10)
    found = gallery.errors(published, tmp_path)
    assert found is not None
    assert not found.whole
    for each in found.entries:
        assert each.shown == 10 < each.total
        own = own_frame(published, each)
        surest = own[own["first"] != own["truth"]].nlargest(10, "first_probability")["index"]
        assert {one.number for _, mistakes in each.groups for one in mistakes} == set(surest)


def test_no_error_at_all(published, tmp_path):
    frame = published.predictions
    frame = frame.assign(first=frame["truth"].where(frame["route"] == "ciresan5", frame["first"]))
    found = gallery.errors(published._replace(predictions=frame), tmp_path)
    assert found is not None
    totals = {each.entry: (each.total, len(each.groups)) for each in found.entries}
    perfect = next(entry for entry in totals if entry.startswith("Cireşan"))
    assert totals.pop(perfect) == (0, 0)
    assert all(total > 0 for total, _ in totals.values())


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
    shown = [each.entry for each in found.entries]
    assert shown == [entry for entry in published.entries if not entry.startswith("Cireşan")]


def test_kernels_are_white_at_nought_and_share_a_scale(published, tmp_path):
    kernel = np.zeros((3, 3, 2, 4), np.float32)
    kernel[0, 0, 0, 0], kernel[2, 2, 1, 3] = 2.0, -2.0
    pictures = {"kernel__00__Conv_0": kernel, "input": np.zeros((8, 8, 1), np.uint8)}
    found = gallery.inside(published._replace(pictures=pictures), tmp_path)
    assert found is not None
    (layer,) = found.kernels
    picture = decode(layer.source)
    assert picture.shape == (3 + 2, 8 * 3 + 9, 4)  # eight kernels in a row, framed
    assert layer.name == "Conv_0"
    assert layer.shape == "3×3×2×4"
    np.testing.assert_allclose(picture[2, 2, :3], 247, atol=2)
    assert picture[1, 1, 0] > picture[1, 1, 2]  # positive: orange
    assert picture[3, -2, 2] > picture[3, -2, 0]  # negative: blue
    assert picture[0, 4].tolist() == [128, 128, 128, 255]  # the frame, on any paper
