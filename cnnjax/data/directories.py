"""Where prepared sets of tensorflow-datasets lie: PLACE/NAME[/CONFIG]/VERSION.

They are looked for by their folders, before tensorflow-datasets is asked for anything, because when
it is asked for a set that is not there it sets about downloading it.
"""

import json
import os
import re
from pathlib import Path

from cnnjax.errors import UserError

FORMAT = "array_record"
"""The one file format that is read at random positions, and without TensorFlow."""

INFO = "dataset_info.json"
"""The metadata that makes a folder a prepared set."""


def roots(data_dir: Path | None) -> list[Path]:
    """Returns the folders in which prepared sets are looked for, in that order.

    Args:
      data_dir: What the user named, or None.

    Returns:
      `data_dir`, $TFDS_DATA_DIR and ~/tensorflow_datasets, as far as they are set, each once.
    """
    named = [data_dir, os.environ.get("TFDS_DATA_DIR"), "~/tensorflow_datasets"]
    return list(dict.fromkeys(Path(place).expanduser() for place in named if place))


def find(name: str, places: list[Path]) -> Path | None:
    """Returns the newest prepared array_record directory of a set in the first place that has one.

    Args:
      name: NAME, or NAME/CONFIG.
      places: Folders as from `roots`.

    Returns:
      PLACE/NAME[/CONFIG]/VERSION, or None when no place holds the set.

    Raises:
      UserError: It is there in other file formats only, or in several configurations.
    """
    unsuitable = None
    for place in places:
        for directory in _versions(_configured(place / name)):
            formats = _formats(directory)
            if FORMAT in formats:
                return directory
            unsuitable = unsuitable or (directory, formats)
    if unsuitable is not None:
        directory, formats = unsuitable
        raise UserError(
            f"{directory}: prepared as {' and '.join(formats)}, expected {FORMAT}; prepare it "
            f"again in another folder: `python -m cnnjax.data prepare {name} --data_dir=FOLDER`"
        )
    return None


def names(place: Path) -> list[str]:
    """Returns the names of the sets that are prepared in one folder, in alphabetical order.

    Args:
      place: A folder as from `roots`; it need not be there.
    """
    if not place.is_dir():
        return []
    return sorted(folder.name for folder in place.iterdir() if _prepared(folder))


def _prepared(folder: Path) -> bool:
    try:
        return bool(
            _versions(folder)
            or (folder.is_dir() and any(_versions(path) for path in folder.iterdir()))
        )
    except PermissionError:  # somebody else's, and so no set of ours
        return False


def _versions(base: Path) -> list[Path]:
    """Returns the version folders of a set that hold its metadata, newest first."""
    if not base.is_dir():
        return []
    numbered = [
        (tuple(map(int, path.name.split("."))), path)
        for path in base.iterdir()
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and (path / INFO).is_file()
    ]
    return [path for _, path in sorted(numbered, reverse=True)]


def _configured(base: Path) -> Path:
    """Returns the folder above the versions: `base`, or its only or default configuration."""
    if not base.is_dir() or _versions(base):
        return base
    configurations = sorted(path for path in base.iterdir() if path.is_dir() and _versions(path))
    if not configurations:
        return base
    if len(configurations) == 1:
        return configurations[0]
    names = ", ".join(f"{base.name}/{path.name}" for path in configurations)
    raise UserError(f"{base}: prepared in several configurations; name one of {names}.")


def _formats(directory: Path) -> list[str]:
    """Returns the file formats that a prepared directory says it holds."""
    try:
        info = json.loads((directory / INFO).read_text())
        return [info.get("fileFormat", "tfrecord"), *info.get("alternativeFileFormats", [])]
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{directory / INFO}: corrupt: {error}; prepare the set again.") from error
