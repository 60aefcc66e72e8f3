"""`load`: a data set by its name, from the first place that has it."""

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path

from cnnjax.data import (
    digits,
    directories,
    idx_folder,
    own,
    places,
    prepared,
    published,
    signals,
)
from cnnjax.data.dataset import Dataset
from cnnjax.data.known import KNOWN
from cnnjax.errors import UserError

GENERATED: dict[str, Callable[[], Dataset]] = {
    "digits": digits.load,
    "mnist1d": signals.load,
    "mnist1d_shuffled": lambda: signals.load(shuffled=True),
}
"""The sets that need no files."""

NAMES: tuple[str, ...] = (*GENERATED, *KNOWN)
"""The sets known by name; prepared ones and a user's own can be loaded too."""

FORM = re.compile(r"[a-z][a-z0-9_]*(/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*)?")
"""The names a set can have: NAME or NAME/CONFIG."""

SIGNALS = ("mnist1d", "mnist1d_shuffled")
"""The sets that hold signals; all others hold images."""

DEBIAN = {"fashion_mnist": Path("/usr/share/datasets/fashion-mnist")}
"""Where Debian's packages put a set: dataset-fashion-mnist."""


def load(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Returns a data set with its train, validation and test splits; it never downloads anything.

    - `digits`, `mnist1d` and `mnist1d_shuffled` need no files.
    - `mnist`, `fashion_mnist` and `kmnist` are read from the first of these: idx files in
      DATA_DIR/NAME, Debian's folder (fashion_mnist), a prepared tensorflow-datasets directory.
      5,000 of the training images, a fixed stratified choice, are the validation split. The content
      of `mnist` and `fashion_mnist` is checked by SHA-256 and is the same wherever it came from.
      kmnist's files are checked as its publisher compressed them; of a prepared kmnist only that it
      is none of the other two, for the hashes of its content are not known.
    - Any other name is a set of the user's own, four idx files in DATA_DIR/NAME named as those of
      `mnist`; or else an image-classification set of tensorflow-datasets that has been prepared as
      array_record, such as `cifar10` or `emnist/balanced`. There is no hash to check their content
      by. Where there is no validation split, a tenth of the training images, 5,000 at most, is one.

    Prepared directories are looked for in `data_dir`, in $TFDS_DATA_DIR and in
    ~/tensorflow_datasets, in that order.

    Args:
      name: The set.
      data_dir: The folder that holds a folder for each set. None leaves the other places.

    Returns:
      The data set; its arrays are read-only.

    Raises:
      UserError: The name is unknown, the set is nowhere to be found, a folder may not be entered,
        or a file of it is truncated, corrupt, mislabelled or of a form that does not fit. The
        message is one line.

    >>> digits = load("digits")
    >>> digits.train.images.shape, digits.train.labels.dtype
    ((1079, 28, 28, 1), dtype('int32'))
    """
    if name in GENERATED:
        return GENERATED[name]()
    root = check_data_dir(data_dir)
    check_name(name)
    for folder in idx_folders(name, root):
        if idx_folder.holds_files(folder):
            return _from_idx_files(name, folder)
    roots = directories.roots(root)
    directory = directories.find(name, roots)
    if directory is not None:
        return prepared.load(name, directory)
    raise _missing(name, root, roots)


def _from_idx_files(name: str, folder: Path) -> Dataset:
    if name not in KNOWN:
        return own.load(name, folder)
    return idx_folder.assemble(
        name,
        *published.read_folder(name, folder),
        class_names=KNOWN[name].class_names,
        source=f"idx files in {folder}",
    )


def idx_folders(name: str, data_dir: Path | None) -> list[Path]:
    """Returns the folders in which the idx files of a set are looked for, in that order.

    Args:
      name: The set.
      data_dir: What the user named, its ~ expanded, or None.

    Raises:
      UserError: DATA_DIR/NAME is no folder, or DATA_DIR may not be entered.
    """
    folders = [] if data_dir is None else [data_dir / name]
    for folder in folders:
        if places.exists(folder) and not places.is_dir(folder):
            raise UserError(f"{folder}: not a directory; expected the folder of {name}'s files.")
    return folders + ([DEBIAN[name]] if name in DEBIAN else [])


def check_data_dir(data_dir: str | os.PathLike[str] | None) -> Path | None:
    """Returns the folder that the user named as a path, or None.

    Raises:
      UserError: There is no such folder, it is a file, or it cannot be told.
    """
    if data_dir is None:
        return None
    path = places.expand(data_dir, "data_dir")
    if not places.exists(path):
        raise UserError(f"data_dir={str(data_dir)!r}: no such directory.")
    if not places.is_dir(path):
        raise UserError(f"data_dir={str(data_dir)!r}: not a directory.")
    return path


def check_name(name: str) -> None:
    """Raises when no set can have this name, suggesting the nearest that one has.

    Raises:
      UserError: The name is of the wrong form, or a configuration of a set that has none.
    """
    if not FORM.fullmatch(name):
        raise unknown(name)
    base = name.split("/")[0]
    if base in NAMES and base != name:
        raise UserError(f"dataset={name!r}: {base} has no configurations; name {base!r}.")


def unknown(name: str) -> UserError:
    """Returns the error for a name that nobody knows, with the nearest one that somebody does."""
    official = official_names()
    near = difflib.get_close_matches(name.split("/")[0].lower(), NAMES, n=1)
    near = near or difflib.get_close_matches(name.split("/")[0].lower(), official, n=1)
    hint = f"did you mean {near[0]!r}? " if near else "there is none of that name. "
    return UserError(
        f"dataset={name!r}: {hint}Known: {', '.join(NAMES)}, the image sets that "
        "tensorflow-datasets has prepared, and your own: four idx files, named as MNIST's, in "
        "DATA_DIR/NAME (small letters, digits and _)."
    )


def official_names() -> list[str]:
    """Returns the names of every set that tensorflow-datasets can prepare."""
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def _missing(name: str, data_dir: Path | None, roots: list[Path]) -> UserError:
    """Returns the error for a set that is nowhere: every place tried, and how to get it."""
    if name not in KNOWN and name.split("/")[0] not in official_names():
        return unknown(name)
    tried = [f"{folder} (idx files)" for folder in idx_folders(name, data_dir)]
    tried += [f"{root / name} (prepared as array_record)" for root in roots]
    looked = (
        f"Looked in {', '.join(tried)}" if tried else "No --data_dir is named, there is no home"
    )
    command = f"python -m cnnjax.data prepare {name}"
    command += "" if data_dir is None else f" --data_dir={data_dir}"
    if name not in KNOWN:
        ways = [f"run `{command}`"]
    else:
        ways = [
            f"put its four idx files into DATA_DIR/{name} and name DATA_DIR",
            f"run `{command} --manual_dir=FOLDER`",
        ]
    if name in DEBIAN:
        ways.insert(0, "`apt-get install dataset-fashion-mnist`")
    if data_dir is not None and data_dir.name == name:
        ways.insert(0, f"if {data_dir} holds its files, name the folder above, {data_dir.parent}")
    return UserError(f"{name}: not found. {looked}. To get it: {', or '.join(ways)}.")
