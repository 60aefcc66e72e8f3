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
                told = (each.first_probability, each.second_probability)
                assert told == (row["first_probability"], row["second_probability"])


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


def test_a_network_tested_on_another_data_set_is_passed_over(published, tmp_path):
    # Its errors have the numbers of other images, which must not be shown for them.
    frame = published.predictions
    moved = frame.assign(group=frame["group"].where(frame["route"] != "ciresan5", "elsewhere"))
    found = gallery.errors(published._replace(predictions=moved), tmp_path)
    assert found is not None
    shown = [each.entry for each in found.entries]
    assert shown == [entry for entry in published.entries if not entry.startswith("Cireşan")]


def test_signals_are_drawn_as_lines(published, tmp_path):
    index = published.pictures["error_index"]
    ramp = np.linspace(-1, 1, 40, dtype=np.float32)
    signals = np.stack([ramp if number % 2 else -ramp for number in index])[..., None]
    drawn = published._replace(pictures=published.pictures | {"error_images": signals})
    found = gallery.errors(drawn, tmp_path)
    assert found is not None
    sprite, (width, height) = decode(found.sprite), found.size[2:]
    for mistakes in (mistakes for own in found.entries for _, mistakes in own.groups):
        for each in mistakes:
            tile = sprite[each.y : each.y + height, each.x : each.x + width]
            first, last = (int(tile[:, column].argmax()) for column in (0, -1))
            # A rising signal starts at the bottom; its ends keep off the border.
            low, high = (first, last) if each.number % 2 else (last, first)
            assert high < 0.1 * height < 0.9 * height < low
            assert (tile.max(0) == 255).all(), "no gaps"
            assert np.mean(tile > 0) < 0.1, "a thin line"


def test_kernels_of_signals_are_a_tile_for_each_channel_and_maps_one_in_all(published, tmp_path):
    kernel = np.zeros((3, 2, 4), np.float32)
    kernel[0, 1, 2], kernel[2, 0, 3] = 1.0, -1.0
    activations = np.zeros((10, 4), np.float32)
    activations[9, 1] = 1.0
    pictures = {
        "kernel__00__conv1": kernel,
        "map__00__conv1": activations,
        "input": np.linspace(0, 1, 20, dtype=np.float32)[:, None],
    }
    found = gallery.inside(published._replace(pictures=pictures), tmp_path)
    assert found is not None
    (layer,), (maps,) = found.kernels, found.maps
    assert (layer.shape, maps.shape) == ("3×2×4", "10×4")
    picture = decode(layer.source)
    assert picture.shape == (2 * 2 + 3, 2 * 3 + 3, 4)  # four tiles of 2 channels × 3 positions
    orange = np.argwhere(picture[..., 0] > picture[..., 2].astype(int) + 50)
    blue = np.argwhere(picture[..., 2] > picture[..., 0].astype(int) + 50)
    assert orange.tolist() == [[4 + 1, 1]]
    assert blue.tolist() == [[4, 5 + 2]]
    picture = decode(maps.source)
    assert picture.shape == (10 + 2, 4 + 2, 4)
    brightest = np.unravel_index(picture[1:-1, 1:-1, :3].sum(-1).argmax(), (10, 4))
    assert brightest == (9, 1)
    assert decode(found.image).ndim == 3


def test_kernels_and_maps_of_images_are_upright(published, tmp_path):
    # Wider than high, so that a picture on its side has another shape.
    kernel = np.zeros((3, 5, 2, 2), np.float32)
    kernel[2, 1, 1, 0] = 1.0
    activations = np.zeros((3, 5, 2), np.float32)
    activations[2, 1, 1] = 1.0
    pictures = {"kernel__00__conv1": kernel, "map__00__conv1": activations}
    found = gallery.inside(published._replace(pictures=pictures), tmp_path)
    assert found is not None
    kernels, maps = decode(found.kernels[0].source), decode(found.maps[0].source)
    assert kernels.shape == (1 + 3 + 1, 1 + 4 * (5 + 1), 4)
    assert maps.shape == (1 + 3 + 1, 1 + 2 * (5 + 1), 4)
    orange = np.argwhere(kernels[..., 0] > kernels[..., 2].astype(int) + 50)
    # From the second channel to the first: the third tile.
    assert orange.tolist() == [[1 + 2, 1 + 2 * 6 + 1]]
    bright = np.argwhere(maps[..., 0] > 230)
    assert bright.tolist() == [[1 + 2, 1 + 6 + 1]]


def test_files_hold_the_pictures_of_the_page_enlarged(published, tmp_path):
    found = gallery.inside(published, tmp_path)
    assert found is not None
    for file, layers in (("kernels", found.kernels), ("feature_maps", found.maps)):
        for number, layer in enumerate(layers):
            saved = np.asarray(Image.open(tmp_path / f"{file}_{number}_{layer.name}.png"))
            picture = decode(layer.source)
            np.testing.assert_array_equal(saved, picture.repeat(4, axis=0).repeat(4, axis=1))


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
