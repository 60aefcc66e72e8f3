"""`load` on sets that tensorflow-datasets has prepared, written here by its own writer."""

import io
import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from cnnjax.data import load
from cnnjax.errors import UserError


def refused(name, data_dir, message):
    """Returns the one line with which `load` refuses."""
    with pytest.raises(UserError, match=message) as caught:
        load(name, data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_set(images, labels):
    return {(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)}


def test_splits_are_taken_as_they_are(write_prepared, pictures):
    splits = {
        "train": pictures(30, seed=1),
        "validation": pictures(9, seed=2),
        "test": pictures(12, seed=3),
    }
    dataset = load("tiny", write_prepared("tiny", splits))
    for part, examples in splits.items():
        split = getattr(dataset, part)
        assert split.images.shape == (len(examples), 6, 5, 3)
        assert split.images.dtype == np.uint8
        assert split.labels.dtype == np.int32
        assert not split.images.flags.writeable
        assert as_set(*split) == {(image.tobytes(), label) for image, label in examples}
    assert dataset.class_names == ("cat", "dog", "owl")
    assert dataset.num_classes == 3
    assert "tiny/1.0.0" in dataset.source
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        (("train", "test"), (54, 6, 20)),
        (("train", "validation"), (54, 6, 20)),
        (("train",), (44, 4, 12)),
    ],
)
def test_missing_splits_are_carved_from_the_training_set(write_prepared, pictures, parts, sizes):
    splits = {part: pictures(60 if part == "train" else 20, seed=len(part)) for part in parts}
    root = write_prepared("tiny", splits)
    dataset, again = load("tiny", root), load("tiny", root)
    three = dataset.train, dataset.validation, dataset.test
    assert tuple(len(part.labels) for part in three) == sizes
    sets = [as_set(*part) for part in three]
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]
    assert all(np.ptp(np.bincount(part.labels, minlength=3)) <= 1 for part in three[::2])
    np.testing.assert_array_equal(dataset.validation.images, again.validation.images)


def test_grey_images_keep_their_channel(write_prepared, pictures):
    examples = [(image[..., 0], label) for image, label in pictures(20, shape=(4, 4, 1))]
    dataset = load("grey", write_prepared("grey", {"train": examples}, shape=(4, 4, 1)))
    assert dataset.train.images.shape[1:] == (4, 4, 1)


def test_undeclared_sizes_are_fine_when_they_agree(write_prepared, pictures):
    root = write_prepared("tiny", {"train": pictures(20)}, shape=(None, None, 3))
    assert load("tiny", root).train.images.shape[1:] == (6, 5, 3)


def test_images_of_varied_size(write_prepared, pictures):
    mixed = pictures(9) + pictures(9, shape=(7, 5, 3))
    root = write_prepared("tiny", {"train": mixed}, shape=(None, None, 3))
    refused("tiny", root, r"images of varied size \((6×5×3 and 7|7×5×3 and 6)×5×3\)")
    splits = {"train": pictures(9), "test": pictures(9, shape=(7, 5, 3))}
    root = write_prepared("other", splits, shape=(None, None, 3))
    refused("other", root, r"images of varied size \(6×5×3 and 7×5×3\)")


def test_newest_version_and_places_in_order(write_prepared, pictures, tmp_path, monkeypatch):
    first = write_prepared("tiny", {"train": pictures(20)}, root=tmp_path / "first")
    second = write_prepared("tiny", {"train": pictures(20)}, root=tmp_path / "second")
    monkeypatch.setenv("TFDS_DATA_DIR", str(second))
    assert str(second) in load("tiny").source
    assert str(first) in load("tiny", first).source
    newer = first / "tiny" / "1.10.0"
    (first / "tiny" / "1.0.0").rename(newer)
    write_prepared("tiny", {"train": pictures(20)}, root=first)
    assert str(newer) in load("tiny", first).source


def test_configurations(write_prepared, pictures, tmp_path):
    root = write_prepared("tiny", {"train": pictures(20)})
    (root / "tiny").rename(root / "one")
    (root / "tiny").mkdir()
    (root / "one").rename(root / "tiny" / "one")
    assert str(root / "tiny" / "one") in load("tiny/one", root).source
    assert str(root / "tiny" / "one") in load("tiny", root).source
    other = write_prepared("tiny", {"train": pictures(20)}, root=tmp_path / "other")
    (other / "tiny").rename(root / "tiny" / "two")
    refused("tiny", root, "several configurations; name one of tiny/one, tiny/two")


def test_set_that_is_not_prepared(tmp_path):
    message = refused("cifar10", tmp_path, "cifar10: not found")
    assert str(tmp_path / "cifar10") in message
    assert str(tmp_path / "home" / "tensorflow_datasets" / "cifar10") in message
    assert f"`python -m cnnjax.data prepare cifar10 --data_dir={tmp_path}`" in message


def test_set_prepared_in_another_format(write_prepared, pictures):
    root = write_prepared("tiny", {"train": pictures(20)})
    path = root / "tiny" / "1.0.0" / "dataset_info.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps({**info, "fileFormat": "tfrecord"}))
    refused("tiny", root, "prepared as tfrecord, expected array_record.*prepare tiny")
    path.write_text(path.read_text()[:50])
    refused("tiny", root, "dataset_info.json: corrupt")
    path.write_text("[]")
    refused("tiny", root, "dataset_info.json: corrupt")


def test_metadata_that_tensorflow_datasets_cannot_read(write_prepared, pictures):
    root = write_prepared("tiny", {"train": pictures(20)})
    (root / "tiny" / "1.0.0" / "features.json").write_text("{")
    refused("tiny", root, "tiny/1.0.0: cannot be opened")


@pytest.mark.parametrize("damage", ["cut", "overwritten", "empty", "missing"])
def test_damaged_records(write_prepared, pictures, damage):
    root = write_prepared("tiny", {"train": pictures(40)})
    (shard,) = (root / "tiny" / "1.0.0").glob("*array_record-*")
    content = shard.read_bytes()
    if damage == "missing":
        shard.unlink()
    else:
        shard.write_bytes(
            {
                "cut": content[:-1000],
                "overwritten": content[:200] + b"\x55" * 400 + content[600:],
                "empty": b"",
            }[damage]
        )
    refused("tiny", root, r"tiny/1.0.0 \(train\): corrupt")


def test_damaged_pixels(write_prepared, pictures):
    examples = [{"image": b"\x89PNG no more", "label": 0} for _ in range(3)]
    root = write_prepared("tiny", {"train": examples})
    refused("tiny", root, r"corrupt: UnidentifiedImageError")


def test_a_shard_in_anothers_place(write_prepared, pictures):
    root = write_prepared("tiny", {"train": pictures(40), "test": pictures(12, seed=1)})
    shards = {path.name.split("-")[1]: path for path in (root / "tiny" / "1.0.0").glob("*record-*")}
    shutil.copy(shards["train.array_record"], shards["test.array_record"])
    refused("tiny", root, r"\(test\): corrupt: .* does not hold the 12 examples")


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return buffer.getvalue()


def test_images_of_another_size_than_was_told(write_prepared, pictures):
    examples = [{"image": png(image), "label": label} for image, label in pictures(9)]
    root = write_prepared("tiny", {"train": examples}, shape=(7, 5, 3))
    refused("tiny", root, r"an image of 6×5×3: expected 7×5×3")


def test_pixels_of_sixteen_bits(write_prepared):
    examples = [{"image": png(np.full((6, 5), 4000, np.uint16)), "label": 0}] * 4
    root = write_prepared("tiny", {"train": examples}, shape=(6, 5, 1))
    refused("tiny", root, "pixels of more than 8 bits, expected uint8")


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_examples_to_train_on(write_prepared, pictures, count):
    refused("tiny", write_prepared("tiny", {"train": pictures(count)}), "examples to train on")


def test_no_image_classification_set(write_prepared):
    import tensorflow_datasets as tfds

    features = {"text": tfds.features.Text(), "score": tfds.features.Scalar(np.float32)}
    examples = [{"text": "words", "score": 0.5}] * 4
    root = write_prepared("prose", {"train": examples}, features=features, keys=None)
    refused("prose", root, "no image-classification set: .*it has (text, score|score, text)")


def test_no_training_split(write_prepared, pictures):
    refused("tiny", write_prepared("tiny", {"extra": pictures(9)}), "no split 'train', only extra")
