"""`load` on sets published as idx files: the places, the checks, and every way to be wrong."""

import gzip

import numpy as np
import pytest

from cnnjax.data import idx, load, loading
from cnnjax.data.known import FILES
from cnnjax.errors import UserError


def write(path, array):
    path.write_bytes(gzip.compress(idx.encode(array)))


def refused(name, data_dir, message):
    """Returns the one line with which `load` refuses."""
    with pytest.raises(UserError, match=message) as caught:
        load(name, data_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_arrays_come_back_as_they_were_published(fakes, mnist_folder):
    dataset = load("mnist", mnist_folder.parent)
    images, labels, test_images, test_labels = fakes["mnist"]
    np.testing.assert_array_equal(dataset.test.images[..., 0], test_images)
    np.testing.assert_array_equal(dataset.test.labels, test_labels)
    loaded = np.concatenate([dataset.train.images, dataset.validation.images])[..., 0]
    pairs = zip(loaded, [*dataset.train.labels, *dataset.validation.labels], strict=True)
    expected = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert {image.tobytes(): label for image, label in pairs} == expected
    assert len(dataset.validation.labels) == 6
    assert str(mnist_folder) in dataset.source


def test_plain_files_give_the_same(fakes, mnist_folder, tmp_path, write_idx):
    write_idx(tmp_path / "plain" / "mnist", fakes["mnist"], compress=False)
    plain, packed = load("mnist", tmp_path / "plain"), load("mnist", str(mnist_folder.parent))
    for one, other in zip(plain[1:4], packed[1:4], strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_data_dir_comes_before_debian_and_debian_before_nothing(fakes, tmp_path, write_idx):
    debian = write_idx(loading.DEBIAN["fashion_mnist"], fakes["fashion_mnist"])
    assert str(debian) in load("fashion_mnist").source
    (tmp_path / "data").mkdir()
    assert str(debian) in load("fashion_mnist", tmp_path / "data").source
    own = write_idx(tmp_path / "data" / "fashion_mnist", fakes["fashion_mnist"])
    assert str(own) in load("fashion_mnist", tmp_path / "data").source


def test_kmnist_is_checked_as_its_publisher_compressed_it(fakes, tmp_path, write_idx):
    folder = write_idx(tmp_path / "data" / "kmnist", fakes["kmnist"])
    assert load("kmnist", tmp_path / "data").class_names[0] == "o"
    write(folder / f"{FILES[0]}.gz", fakes["kmnist"][0] ^ 1)
    refused("kmnist", tmp_path / "data", "corrupt, or packed anew")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "did you mean 'mnist'"),
        ("MNIST", "did you mean 'mnist'"),
        ("fashionmnist", "did you mean 'fashion_mnist'"),
        ("cifar-10", "did you mean 'cifar10'"),
        ("../mnist", "Known: digits, mnist1d"),
        ("xyzzy", "there is none of that name"),
        ("xyzzy", "your own: four idx files, named as MNIST's, in DATA_DIR/NAME"),
        ("mnist/x", "dataset='mnist/x': mnist has no configurations; name 'mnist'"),
        ("digits/x", "digits has no configurations"),
        ("", "there is none of that name"),
    ],
)
def test_unknown_name(name, message, tmp_path):
    refused(name, tmp_path, message)


def test_the_folder_of_the_files_themselves_is_told_from_the_one_above(tmp_path):
    (tmp_path / "mnist").mkdir()
    refused("mnist", tmp_path / "mnist", f"holds its files, name the folder above, {tmp_path}")


def test_missing_set_names_every_place_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    message = refused("fashion_mnist", tmp_path, "fashion_mnist: not found")
    for place in (
        tmp_path / "fashion_mnist",
        tmp_path / "debian",
        tmp_path / "elsewhere" / "fashion_mnist",
        tmp_path / "home" / "tensorflow_datasets" / "fashion_mnist",
    ):
        assert str(place) in message
    assert "apt-get install dataset-fashion-mnist" in message
    command = f"python -m cnnjax.data prepare fashion_mnist --data_dir={tmp_path}"
    assert f"{command} --manual_dir=FOLDER" in message


def test_data_dir_that_is_none(tmp_path):
    refused("mnist", tmp_path / "nothing", "no such directory")
    (tmp_path / "file").write_text("")
    refused("mnist", tmp_path / "file", r"data_dir=.*not a directory")
    (tmp_path / "mnist").write_text("")
    refused("mnist", tmp_path, r"mnist: not a directory")


def test_one_file_missing(mnist_folder):
    (mnist_folder / f"{FILES[3]}.gz").unlink()
    refused("mnist", mnist_folder.parent, "t10k-labels-idx1-ubyte .*is missing")


def test_truncated_file(mnist_folder):
    path = mnist_folder / f"{FILES[0]}.gz"
    path.write_bytes(path.read_bytes()[:-100])
    refused("mnist", mnist_folder.parent, "train-images-idx3-ubyte.gz: truncated")


def test_one_bit_wrong(fakes, mnist_folder):
    images = fakes["mnist"][0].copy()
    images[7, 3, 3] ^= 1
    write(mnist_folder / f"{FILES[0]}.gz", images)
    refused("mnist", mnist_folder.parent, "train-images-idx3-ubyte.gz: corrupt: sha256")


def test_files_of_another_set(fakes, mnist_folder, write_idx):
    write_idx(mnist_folder, fakes["fashion_mnist"])
    refused("mnist", mnist_folder.parent, "mislabelled.*these are fashion_mnist's files, not mnist")


def test_images_and_labels_swapped(fakes, mnist_folder):
    write(mnist_folder / f"{FILES[0]}.gz", fakes["mnist"][1])
    refused("mnist", mnist_folder.parent, "mislabelled.*images and the labels swapped")


def test_training_and_test_files_swapped(fakes, mnist_folder):
    write(mnist_folder / f"{FILES[2]}.gz", fakes["mnist"][0])
    refused("mnist", mnist_folder.parent, r"mislabelled: this is mnist's train-images")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(59, np.uint8), "60 images but 59 labels"),
        (np.full(60, 10, np.uint8), "label 10, expected 0 to 9"),
    ],
)
def test_labels_that_do_not_fit(mnist_folder, monkeypatch, labels, message):
    # Only files that pass the hashes get as far as this, so the hash is made to agree.
    known = loading.KNOWN["mnist"]
    contents = (known.contents[0], idx.sha256(idx.encode(labels)), *known.contents[2:])
    monkeypatch.setitem(loading.KNOWN, "mnist", known._replace(contents=contents))
    write(mnist_folder / f"{FILES[1]}.gz", labels)
    refused("mnist", mnist_folder.parent, message)
