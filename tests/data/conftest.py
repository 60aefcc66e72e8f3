"""Small fake sets in temporary folders, and a machine on which no real ones can be found."""

import errno
import gzip
import io
import pathlib

import numpy as np
import pytest

from cnnjax.data import idx, loading
from cnnjax.data.known import FILES, KNOWN, Known


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No prepared sets at home, none in the environment, and none of Debian's."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    monkeypatch.setitem(loading.DEBIAN, "fashion_mnist", tmp_path / "debian")


def make_arrays(seed, train=60, test=20):
    """Returns four arrays like MNIST's: training images and labels, test images and labels."""
    random = np.random.default_rng(seed)
    arrays = []
    for count in (train, test):
        arrays.append(random.integers(0, 256, (count, 28, 28), np.uint8))
        arrays.append(random.permutation(np.arange(count, dtype=np.uint8) % 10))
    return arrays


def write_files(folder, arrays, *, compress=True):
    """Writes four arrays under the published names."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, array in zip(FILES, arrays, strict=True):
        content = idx.encode(array)
        if compress:
            # As kmnist's publisher packed them: its files are known by their archives' hashes.
            (folder / f"{file}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / file).write_bytes(content)
    return folder


@pytest.fixture
def fakes(monkeypatch):
    """The arrays of three fake sets that go by the real names, known by their own hashes."""
    arrays = {name: make_arrays(seed) for seed, name in enumerate(KNOWN)}
    for name in ("mnist", "fashion_mnist"):
        contents = tuple(idx.sha256(idx.encode(array)) for array in arrays[name])
        monkeypatch.setitem(KNOWN, name, Known(KNOWN[name].class_names, contents))
    archives = tuple(idx.sha256(gzip.compress(idx.encode(a), mtime=0)) for a in arrays["kmnist"])
    monkeypatch.setitem(KNOWN, "kmnist", Known(KNOWN["kmnist"].class_names, (), archives))
    return arrays


@pytest.fixture
def write_idx():
    """The function that writes four idx files; test modules cannot import it from here."""
    return write_files


@pytest.fixture
def lock(monkeypatch):
    """A function after which a folder may neither be entered nor read, not even by root."""

    def close(folder):
        for name, itself in (("stat", False), ("iterdir", True)):
            method = guarded(getattr(pathlib.Path, name), itself, folder)
            monkeypatch.setattr(pathlib.Path, name, method)

    def guarded(method, itself, folder):
        def call(path, *args, **kwargs):
            if folder in path.parents or (itself and path == folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return method(path, *args, **kwargs)

        return call

    return close


@pytest.fixture
def mnist_folder(fakes, tmp_path):
    """DATA_DIR/mnist with the fake set's four compressed files."""
    return write_files(tmp_path / "data" / "mnist", fakes["mnist"])


def png(pixels):
    """Returns pixels (height, width) or (height, width, 3) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return buffer.getvalue()


def tiny_builder(set_name, splits, *, shape=(6, 5, 3), features=None, keys=("image", "label")):
    """Returns a tensorflow-datasets builder whose splits are lists of (pixels, label)."""
    import tensorflow_datasets as tfds

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = set_name
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(
                    features
                    or {
                        "image": tfds.features.Image(shape=shape),
                        "label": tfds.features.ClassLabel(names=["cat", "dog", "owl"]),
                    }
                ),
                supervised_keys=keys,
            )

        def _split_generators(self, dl_manager):
            return {part: self._generate_examples(examples) for part, examples in splits.items()}

        def _generate_examples(self, examples):
            for key, example in enumerate(examples):
                if not isinstance(example, dict):
                    example = {"image": png(example[0]), "label": example[1]}
                yield key, example

    return Tiny


@pytest.fixture
def write_prepared(tmp_path):
    """Writes a prepared set and returns its root; arguments as for `tiny_builder`."""

    def write(name, splits, *, file_format="array_record", root=None, **options):
        root = root or tmp_path / "prepared"
        builder = tiny_builder(name, splits, **options)(data_dir=root, file_format=file_format)
        builder.download_and_prepare()
        return root

    return write


@pytest.fixture
def pictures():
    """The function that makes examples of three classes in turn."""

    def make(count, *, seed=0, shape=(6, 5, 3)):
        random = np.random.default_rng(seed)
        return [(random.integers(0, 256, shape, np.uint8), index % 3) for index in range(count)]

    return make
