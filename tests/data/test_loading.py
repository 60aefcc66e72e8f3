"""Where data come from: from folders that may be read, and never from a network."""

import os
import pwd
import socket

import pytest

from cnnjax.data import load, places, signals
from cnnjax.data.prepare import prepare
from cnnjax.errors import UserError


@pytest.mark.parametrize("name", ["digits", "mnist1d", "mnist1d_shuffled", "mnist"])
def test_loading_opens_no_connection(name, monkeypatch, fakes, mnist_folder):
    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    for way in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, way, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    signals._make.cache_clear()
    assert len(load(name, str(mnist_folder.parent)).test.labels)


def refused(message, function, *args, **kwargs):
    """Checks for an error of one line."""
    with pytest.raises(UserError, match=message) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)


def test_a_home_that_nobody_has(monkeypatch, tmp_path):
    message = r"data_dir='~nosuchuser/x': no home is known for ~nosuchuser"
    refused(message, load, "mnist", "~nosuchuser/x")
    refused(message, prepare, "mnist", data_dir="~nosuchuser/x")
    refused("manual_dir='~nosuchuser'", prepare, "mnist", manual_dir="~nosuchuser")
    monkeypatch.setenv("TFDS_DATA_DIR", "~nosuchuser/x")
    refused(r"\$TFDS_DATA_DIR='~nosuchuser/x'", load, "cifar10", tmp_path)


def test_the_users_own_home(fakes, mnist_folder, monkeypatch):
    monkeypatch.setenv("HOME", str(mnist_folder.parent.parent))
    assert str(mnist_folder) in load("mnist", "~/data").source
    monkeypatch.chdir(mnist_folder.parent)
    (mnist_folder.parent / "~").symlink_to(mnist_folder.parent)
    assert load("mnist", "./~").source == "idx files in ~/mnist"


@pytest.fixture(params=["none", "locked"])
def homeless(request, monkeypatch, lock, tmp_path):
    """There is no home, or somebody else's; what is called ~ here is none."""
    (tmp_path / "~").mkdir()
    monkeypatch.chdir(tmp_path)
    if request.param == "none":

        def unknown(_):
            raise KeyError("no such user")

        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", unknown)
    else:
        lock(places.expand("~", "home"))
        monkeypatch.setattr(os, "access", lambda path, mode: False)


def test_without_a_home(homeless, mnist_folder, write_prepared, pictures):
    root = write_prepared("tiny", {"train": pictures(9)}, root=mnist_folder.parent)
    assert str(mnist_folder) in load("mnist", root).source
    assert str(root) in load("tiny", root).source
    refused(r"Looked in [^,]*/cifar10 \(idx files\), [^,]* To get it", load, "cifar10", root)
    refused("not found. No --data_dir is named, there is no home. To get it", load, "cifar10")
    assert prepare("mnist", data_dir=root) == mnist_folder / "3.0.1"
    refused("there is no home to write to; name a folder with --data_dir", prepare, "kmnist")


@pytest.mark.parametrize("name", ["mnist", "cifar10", "own"])
def test_a_folder_that_may_not_be_entered(name, lock, tmp_path):
    folder = tmp_path / "data" / name
    folder.mkdir(parents=True)
    lock(folder)
    message = rf"{folder}/[^ ]*: cannot be read \(Permission denied\)"
    refused(message, load, name, folder.parent)
    refused(message, load, name, folder)
    if name != "own":
        refused(f"{folder}.*: cannot be read", prepare, name, data_dir=folder.parent)
    refused(message, prepare, "mnist", data_dir=tmp_path, manual_dir=folder)


def test_a_set_whose_metadata_may_not_be_read(write_prepared, pictures, monkeypatch):
    root = write_prepared("tiny", {"train": pictures(9)})
    path = root / "tiny" / "1.0.0" / "dataset_info.json"
    path.unlink()
    path.mkdir()
    monkeypatch.setattr("cnnjax.data.directories.is_file", lambda path: True)
    refused(f"{path}: cannot be read", load, "tiny", root)


def test_a_name_too_long_for_a_folder(tmp_path):
    refused("cannot be read .File name too long", load, 300 * "a", tmp_path)
