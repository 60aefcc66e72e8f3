"""The real files, where a machine has them; everything else is tested on fakes."""

import os
from pathlib import Path

import numpy as np
import pytest

from cnnjax.data import load, loading

DATA_DIR = os.environ.get("CNNJAX_DATA_DIR")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def check(dataset):
    sizes = [len(part.labels) for part in (dataset.train, dataset.validation, dataset.test)]
    assert sizes == [55_000, 5_000, 10_000]
    counts = np.bincount(dataset.validation.labels)
    everyone = np.bincount(dataset.train.labels) + counts
    np.testing.assert_allclose(counts, everyone / 12, atol=1)


@pytest.mark.skipif(
    not DATA_DIR or not (Path(DATA_DIR) / "mnist").is_dir(),
    reason="CNNJAX_DATA_DIR names no folder with mnist in it",
)
def test_mnist():
    dataset = load("mnist", DATA_DIR)
    check(dataset)
    # The first digits of the published test file.
    assert dataset.test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist(monkeypatch):
    monkeypatch.setitem(loading.DEBIAN, "fashion_mnist", DEBIAN)
    dataset = load("fashion_mnist")
    check(dataset)
    assert np.bincount(dataset.test.labels).tolist() == [1_000] * 10
