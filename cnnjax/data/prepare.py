"""Preparing a set of tensorflow-datasets as array_record: explicitly, and never while training."""

import contextlib
import importlib.util
import io
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cnnjax.data import directories, idx_folder, places, prepared, published
from cnnjax.data.known import FILES, KNOWN
from cnnjax.data.loading import NAMES, check_name, idx_folders, official_names, unknown
from cnnjax.errors import UserError

SECONDS_TO_ANSWER = 20.0


def prepare(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    manual_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Prepares an official set of tensorflow-datasets as array_record, and returns its directory.

    `mnist`, `fashion_mnist` and `kmnist` are written from their four idx files, without TensorFlow
    and without a network, after their hashes have been checked. Name, version, features and splits
    are the official builder's, so that tensorflow-datasets reads the result as its own.

    Every other set, and these when there are no idx files, goes through the official builder, which
    downloads it and needs TensorFlow (the `prepare` extra). Each set downloads into a folder of its
    own: two that call different files by the same name would otherwise get each other's.

    Args:
      name: NAME, or NAME/CONFIG.
      data_dir: Where to write it, made when missing; None is $TFDS_DATA_DIR or
        ~/tensorflow_datasets.
      manual_dir: Where files lie that were downloaded by hand: the four idx files, or what the
        official builder's documentation asks for. None looks for idx files where `load` does.

    Returns:
      DATA_DIR/NAME[/CONFIG]/VERSION. When the set is already there, nothing is done.

    Raises:
      UserError: The name is unknown, a file of it is missing or damaged, TensorFlow is not
        installed, there is no place to write to, or the download or the preparation fails. The
        message is one line.
    """
    check_name(name)
    if name in NAMES and name not in official_names():
        raise UserError(f"dataset={name!r}: needs no preparing; it is made when it is loaded.")
    if name.split("/")[0] not in official_names():
        raise unknown(name)
    root = _root(data_dir)
    manual = None if manual_dir is None else places.expand(manual_dir, "manual_dir")
    if manual is not None and not places.is_dir(manual):
        raise UserError(f"manual_dir={str(manual_dir)!r}: no such directory.")
    ready = directories.find(name, [root])
    if ready is not None:
        return ready
    if name in KNOWN:
        folders = [manual] if manual is not None else idx_folders(name, root if data_dir else None)
        for folder in folders:
            if idx_folder.holds_files(folder):
                return _write(name, published.read_folder(name, folder), root)
        if manual is not None:
            raise UserError(
                f"{manual}: {name}'s four idx files are not there, such as {FILES[0]}.gz."
            )
    return _official(name, root, manual)


def _root(data_dir: str | os.PathLike[str] | None) -> Path:
    """Returns the folder to write to; it need not be there yet."""
    if data_dir is None:
        defaults = directories.roots(None)
        if not defaults:
            raise UserError("there is no home to write to; name a folder with --data_dir.")
        return defaults[0]
    root = places.expand(data_dir, "data_dir")
    if places.exists(root) and not places.is_dir(root):
        raise UserError(f"data_dir={str(data_dir)!r}: not a directory.")
    return root


def _write(name: str, arrays: tuple[np.ndarray, ...], root: Path) -> Path:
    """Writes a published set through its official builder, with the examples given to it."""
    import tensorflow_datasets as tfds

    official = tfds.builder_cls(name)
    splits = {"train": arrays[:2], "test": arrays[2:]}

    def examples(images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield key, {"image": _png(image), "label": int(label)}

    class Local(official, skip_registration=True):  # type: ignore[misc, valid-type, call-arg]
        """The official builder, with examples from memory that Pillow has encoded."""

        __module__ = official.__module__
        name = official.name

        def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
            return {part: examples(*pair) for part, pair in splits.items()}

    builder = Local(data_dir=root, file_format=directories.FORMAT)
    # Its announcement of a download would be false here.
    silence = contextlib.redirect_stdout(io.StringIO())
    with _user_errors(f"{name}: writing to {root} failed"), silence:
        builder.download_and_prepare()
    return Path(builder.data_dir)


def _png(image: np.ndarray) -> bytes:
    """Returns a grey image (height, width, 1) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, format="png")
    return buffer.getvalue()


def _official(name: str, root: Path, manual: Path | None) -> Path:
    """Downloads and prepares a set by its official builder."""
    import tensorflow_datasets as tfds

    if importlib.util.find_spec("tensorflow") is None:
        instead = ", or give its four idx files with --manual_dir=FOLDER" if name in KNOWN else ""
        raise UserError(
            f"{name}: its official builder needs TensorFlow, which is not installed: "
            f"pip install -c constraints.txt -e '.[prepare]'{instead}."
        )
    with _user_errors(f"{name}: it has no official builder of that form"):
        builder = tfds.builder(name, data_dir=root, file_format=directories.FORMAT)
    downloads = root / "downloads" / name
    # Beside every file that arrived whole, the downloader leaves a note of that name.
    if manual is None and not any(downloads.rglob("*.INFO")):
        _check_reachable(name, builder)
    with _user_errors(f"{name}: downloading or preparing failed"):
        builder.download_and_prepare(
            download_dir=downloads,
            download_config=tfds.download.DownloadConfig(manual_dir=manual, try_download_gcs=False),
        )
    return Path(builder.data_dir)


def _check_reachable(name: str, builder: Any) -> None:
    """Raises when the server of the set's first file does not answer.

    The official downloader waits without a limit and tries again: without a network it would seem
    to hang for many minutes.
    """
    url = next((url for url in builder.url_infos if url.startswith("http")), None)
    if url is None:
        return
    try:
        request = urllib.request.Request(url, method="HEAD")
        urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER).close()
    except urllib.error.HTTPError:
        pass  # it answers; whether it serves the file, the download will tell
    except OSError as error:
        raise UserError(
            f"{name}: {url} cannot be reached ({error}); is there a network?"
        ) from error


@contextlib.contextmanager
def _user_errors(what: str) -> Iterator[None]:
    """Turns whatever a builder raises into one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # builders, downloaders and writers raise anything
        raise UserError(f"{what}: {prepared.first_line(error)}") from error
