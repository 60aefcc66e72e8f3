"""Preparing sets: what is written, who can read it, and how it fails."""

import gzip
import json
import sys
import urllib.request

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnnjax.data import load
from cnnjax.data import prepare as module
from cnnjax.data.prepare import prepare
from cnnjax.errors import UserError


def refused(message, name, **places):
    """Returns the one line with which `prepare` refuses."""
    with pytest.raises(UserError, match=message) as caught:
        prepare(name, **places)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["digits", "mnist1d_shuffled"])
def test_what_is_made_needs_no_preparing(name):
    refused(f"dataset='{name}': needs no preparing", name)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_tensorflow_datasets_reads_it_as_its_own(name, fakes, tmp_path, write_idx):
    folder = write_idx(tmp_path / "files", fakes[name])
    directory = prepare(name, data_dir=tmp_path / "out", manual_dir=folder)
    source = tfds.data_source(
        name,
        data_dir=tmp_path / "out",
        download=False,
        builder_kwargs={"file_format": "array_record"},
    )
    for part, images, labels in (
        ("train", *fakes[name][:2]),
        ("test", *fakes[name][2:]),
    ):
        read = {(example["image"].tobytes(), int(example["label"])) for example in source[part]}
        assert len(source[part]) == len(labels)
        assert read == {(image.tobytes(), int(k)) for image, k in zip(images, labels, strict=True)}
    official = tfds.builder(name, data_dir=tmp_path / "nothing").info
    written = tfds.builder_from_directory(directory).info
    assert written.full_name == official.full_name
    assert written.supervised_keys == official.supervised_keys
    assert written.citation == official.citation
    assert written.features.to_json() == official.features.to_json()
    assert written.features["label"].names == official.features["label"].names
    assert "tensorflow" not in sys.modules
    assert json.loads((directory / "dataset_info.json").read_text())["moduleName"] == (
        "tensorflow_datasets.image_classification.mnist"
    )


def test_prepared_and_published_files_load_alike(fakes, mnist_folder, tmp_path):
    prepare("mnist", data_dir=tmp_path / "out", manual_dir=mnist_folder)
    prepared, files = load("mnist", tmp_path / "out"), load("mnist", mnist_folder.parent)
    assert "tensorflow-datasets" in prepared.source
    assert prepared.class_names == files.class_names
    for one, other in zip(prepared[1:4], files[1:4], strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_files_that_load_would_find_are_enough(fakes, mnist_folder):
    directory = prepare("mnist", data_dir=mnist_folder.parent)
    assert directory == mnist_folder / "3.0.1"
    assert "idx files" in load("mnist", mnist_folder.parent).source


def test_what_is_there_is_left_alone(fakes, mnist_folder, tmp_path):
    directory = prepare("mnist", data_dir=tmp_path / "out", manual_dir=mnist_folder)
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    assert prepare("mnist", data_dir=tmp_path / "out") == directory
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_default_place_is_that_of_tensorflow_datasets(fakes, mnist_folder, tmp_path, monkeypatch):
    home = tmp_path / "home" / "tensorflow_datasets"
    assert prepare("mnist", manual_dir=mnist_folder) == home / "mnist" / "3.0.1"
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "named"))
    assert prepare("mnist", manual_dir=mnist_folder) == tmp_path / "named" / "mnist" / "3.0.1"


def test_a_set_prepared_under_a_wrong_name(fakes, mnist_folder, tmp_path):
    # What one shared download folder does: MNIST's images as Fashion-MNIST.
    prepare("mnist", data_dir=tmp_path / "out", manual_dir=mnist_folder)
    (tmp_path / "out" / "mnist").rename(tmp_path / "out" / "fashion_mnist")
    with pytest.raises(UserError, match=r"fashion_mnist/3.0.1.*(cannot be opened|mislabelled)"):
        load("fashion_mnist", tmp_path / "out")


@pytest.mark.parametrize("wrong", ["fashion_mnist", "kmnist"])
def test_contents_of_another_set(fakes, tmp_path, write_idx, write_prepared, wrong):
    splits = {
        part: list(zip(images, labels.tolist(), strict=True))
        for part, images, labels in (
            ("train", *fakes["mnist"][:2]),
            ("test", *fakes["mnist"][2:]),
        )
    }
    features = tfds.builder(wrong, data_dir=tmp_path).info.features
    root = write_prepared(wrong, splits, features=dict(features.items()))
    with pytest.raises(UserError, match=f"mislabelled: these are mnist's files, not {wrong}'s"):
        load(wrong, root)


def test_contents_of_no_set(fakes, tmp_path, write_prepared):
    images, labels, test_images, test_labels = fakes["mnist"]
    splits = {
        "train": list(zip(images ^ 1, labels.tolist(), strict=True)),
        "test": list(zip(test_images, test_labels.tolist(), strict=True)),
    }
    features = tfds.builder("mnist", data_dir=tmp_path).info.features
    root = write_prepared("mnist", splits, features=dict(features.items()))
    with pytest.raises(UserError, match="corrupt: its examples are not those of mnist's train-im"):
        load("mnist", root)


def test_bad_files_leave_nothing_behind(fakes, mnist_folder, tmp_path):
    path = mnist_folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    refused("truncated", "mnist", data_dir=tmp_path / "out", manual_dir=mnist_folder)
    assert not (tmp_path / "out").exists()


def test_kmnist_packed_anew_is_refused_and_leaves_nothing_behind(fakes, tmp_path, write_idx):
    folder = write_idx(tmp_path / "files", fakes["kmnist"])
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1, mtime=0))
    refused("packed anew", "kmnist", data_dir=tmp_path / "out", manual_dir=folder)
    assert not (tmp_path / "out").exists()


def test_bad_names_and_places(tmp_path):
    refused("did you mean 'kmnist'", "kminst", data_dir=tmp_path)
    refused("did you mean 'digits'", "digit", data_dir=tmp_path)
    refused("mnist has no configurations", "mnist/x", data_dir=tmp_path)
    refused("manual_dir=.*no such directory", "mnist", manual_dir=tmp_path / "nothing")
    refused("four idx files are not there", "mnist", data_dir=tmp_path, manual_dir=tmp_path)
    (tmp_path / "file").write_text("")
    refused("data_dir=.*not a directory", "mnist", data_dir=tmp_path / "file")


@pytest.fixture
def official(monkeypatch, write_prepared, pictures, tmp_path):
    """Stands a small builder in for the official ones, as if TensorFlow were installed."""
    from importlib import util

    find_spec = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name: object() if name == "tensorflow" else find_spec(name)
    )
    calls = []

    class Stand:
        url_infos = {"https://somewhere/files.tar": None}  # noqa: RUF012
        problem = None

        def __init__(self, name, data_dir, file_format):
            self.name, self.root, self.file_format = name, data_dir, file_format
            self.data_dir = str(data_dir / name / "1.0.0")

        def download_and_prepare(self, *, download_dir, download_config):
            calls.append((self.name, download_dir, download_config))
            if Stand.problem is not None:
                raise Stand.problem
            write_prepared(self.name, {"train": pictures(20)}, root=self.root)

    Stand.calls = calls
    monkeypatch.setattr(tfds, "builder", Stand)
    return Stand


def test_every_set_downloads_into_a_folder_of_its_own(official, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_check_reachable", lambda name, builder: None)
    for name in ("cifar10", "svhn_cropped"):
        assert prepare(name, data_dir=tmp_path / "out") == tmp_path / "out" / name / "1.0.0"
        assert load(name, tmp_path / "out").num_classes == 3
    folders = [folder for _, folder, _ in official.calls]
    assert folders == [
        tmp_path / "out" / "downloads" / name for name in ("cifar10", "svhn_cropped")
    ]


def test_a_download_that_fails(official, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_check_reachable", lambda name, builder: None)
    official.problem = RuntimeError("checksum differs\nand a long story")
    message = refused("cifar10: downloading or preparing failed", "cifar10", data_dir=tmp_path)
    assert "checksum differs" in message
    assert "story" not in message


def test_no_network_is_said_at_once(official, tmp_path, monkeypatch):
    def unreachable(request, timeout):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)
    message = "https://somewhere/files.tar cannot be reached"
    refused(message, "cifar10", data_dir=tmp_path)
    assert official.calls == []
    # What an earlier attempt left changes that only when it is a whole file.
    folder = tmp_path / "downloads" / "cifar10"
    folder.mkdir(parents=True)
    refused(message, "cifar10", data_dir=tmp_path)
    (folder / "files.tar.INFO").write_text("{}")
    prepare("cifar10", data_dir=tmp_path)


def test_files_downloaded_by_hand_need_no_network(official, tmp_path):
    prepare("cifar10", data_dir=tmp_path / "out", manual_dir=tmp_path)
    ((_, _, config),) = official.calls
    assert config.manual_dir == tmp_path


def test_tensorflow_is_missing(tmp_path, monkeypatch):
    from importlib import util

    find_spec = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name: None if name == "tensorflow" else find_spec(name)
    )
    message = refused("needs TensorFlow, which is not installed", "cifar10", data_dir=tmp_path)
    assert "pip install -c constraints.txt -e '.[prepare]'" in message
    assert "--manual_dir" in refused("needs TensorFlow", "kmnist", data_dir=tmp_path)
