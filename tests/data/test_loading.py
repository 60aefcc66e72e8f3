"""Where data come from: never from a network."""

import socket

import pytest

from cnnjax.data import load, signals


@pytest.mark.parametrize("name", ["digits", "mnist1d", "mnist1d_shuffled", "mnist"])
def test_loading_opens_no_connection(name, monkeypatch, fakes, mnist_folder):
    def refuse(*_, **__):
        raise AssertionError("a connection was opened")

    for way in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, way, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    signals._make.cache_clear()
    assert len(load(name, str(mnist_folder.parent)).test.labels)
