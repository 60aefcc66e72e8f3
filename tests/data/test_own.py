"""`load` on a user's own set: four idx files in a folder of any name."""

import numpy as np
import pytest

from cnnjax.data import idx, load
from cnnjax.data.known import FILES
from cnnjax.errors import UserError

CLASSES = 4


def make(train=(50, 9, 6), test=(12, 9, 6)):
    """Returns four arrays of these shapes, of four classes in turn."""
    random = np.random.default_rng(0)
    arrays = []
    for shape in (train, test):
        arrays.append(random.integers(0, 256, shape, np.uint8))
        arrays.append((np.arange(shape[0]) % CLASSES).astype(np.uint8))
    return arrays


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["own", "cifar10", "own/Small"])
def test_files_of_any_name_and_size(tmp_path, write_idx, name, compress):
    images, labels, test_images, test_labels = make()
    folder = write_idx(tmp_path / name, make(), compress=compress)
    dataset = load(name, tmp_path)
    np.testing.assert_array_equal(dataset.test.images[..., 0], test_images)
    np.testing.assert_array_equal(dataset.test.labels, test_labels)
    loaded = [*dataset.train.images, *dataset.validation.images]
    loaded_labels = [*dataset.train.labels, *dataset.validation.labels]
    found = {(image.tobytes(), k) for image, k in zip(loaded, loaded_labels, strict=True)}
    assert found == {(image.tobytes(), k) for image, k in zip(images, labels, strict=True)}
    assert len(loaded) == 50
    assert dataset.name == name
    assert dataset.class_names == ("0", "1", "2", "3")
    assert dataset.num_classes == CLASSES
    assert dataset.source == f"idx files in {folder}"
    # A tenth validates, of every class about as many.
    assert sorted(np.bincount(dataset.validation.labels)) == [1, 1, 1, 2]


def test_the_largest_label_of_either_part_counts(tmp_path, write_idx):
    arrays = make()
    arrays[3][-1] = 255
    write_idx(tmp_path / "own", arrays)
    assert load("own", tmp_path).class_names[-1] == "255"


def test_files_come_before_a_prepared_set(write_prepared, write_idx, pictures):
    root = write_prepared("tiny", {"train": pictures(9)})
    assert "tensorflow-datasets" in load("tiny", root).source
    write_idx(root / "tiny", make())
    assert load("tiny", root).source == f"idx files in {root / 'tiny'}"


def changed(index, array):
    """Returns the four arrays with another in one's place."""
    arrays = make()
    arrays[index] = array
    return arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(1, np.zeros(49, np.uint8)), r"\(train\): 50 images but 49 labels"),
        (changed(2, np.zeros((11, 9, 6), np.uint8)), r"\(t10k\): 11 images but 12 labels"),
        (changed(3, np.zeros((12, 1), np.uint8)), "mislabelled: its header says 2 axes"),
        (make(test=(12, 6, 9)), "training images of 9×6 and test images of 6×9 pixels"),
        (make(train=(50, 0, 6), test=(12, 0, 6)), "images of 0×6 pixels"),
        (make(train=(0, 9, 6)), r"\(train\): no examples"),
        (make(test=(0, 9, 6)), r"\(t10k\): no examples"),
        (make(train=(1, 9, 6)), "1 examples to train on: expected at least two"),
        ([a if a.ndim == 3 else 0 * a for a in make()], "every label is 0, expected two classes"),
    ],
)
def test_what_makes_no_set(tmp_path, write_idx, arrays, message):
    folder = write_idx(tmp_path / "own", arrays)
    with pytest.raises(UserError, match=message) as caught:
        load("own", tmp_path)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


def test_damaged_and_missing_files(tmp_path, write_idx):
    folder = write_idx(tmp_path / "own", make(), compress=False)
    path = folder / FILES[2]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="t10k-images-idx3-ubyte: truncated"):
        load("own", tmp_path)
    path.unlink()
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte .*missing; own needs all four"):
        load("own", tmp_path)
    path.write_bytes(idx.encode(make()[2]))
    load("own", tmp_path)
    folder.rename(tmp_path / "other")
    folder.write_text("")
    with pytest.raises(UserError, match="not a directory; expected the folder of own's files"):
        load("own", tmp_path)


def test_a_name_leads_to_no_folder_above(tmp_path, write_idx):
    write_idx(tmp_path, make())
    (tmp_path / "own").mkdir()
    with pytest.raises(UserError, match=r"dataset='own/\.\.': there is none of that name"):
        load("own/..", tmp_path)
