"""Where prepared sets of tensorflow-datasets lie: PLACE/NAME[/CONFIG]/VERSION.

They are looked for by their folders, before tensorflow-datasets is asked for anything, because when
it is asked for a set that is not there it sets about downloading it.
"""

import json
import os
import re
from pathlib import Path

from cnnjax.data.places import entries, expand, is_dir, is_file
from cnnjax.errors import UserError

FORMAT = "array_record"
"""The one file format that is read at random positions, and without TensorFlow."""

INFO = "dataset_info.json"
"""The metadata that makes a folder a prepared set."""


def roots(data_dir: Path | None) -> list[Path]:
    """Returns the folders in which prepared sets are looked for, in that order.

    Args:
      data_dir: What the user named, its ~ expanded, or None.

    Returns:
      `data_dir`, $TFDS_DATA_DIR and ~/tensorflow_datasets, as far as they are set, each once. There
      is no ~ where nobody is at home, or where it may not be entered.

    Raises:
      UserError: $TFDS_DATA_DIR begins with a home that nobody has.
    """
    named = [] if data_dir is None else [data_dir]
    if place := os.environ.get("TFDS_DATA_DIR"):
        named.append(expand(place, "$TFDS_DATA_DIR"))
    home = os.path.expanduser("~")
    if not home.startswith("~") and os.access(home, os.X_OK):
        named.append(Path(home) / "tensorflow_datasets")
    return list(dict.fromkeys(named))


def find(name: str, places: list[Path]) -> Path | None:
    """Returns the newest prepared array_record directory of a set in the first place that has one.

    Args:
      name: NAME, or NAME/CONFIG.
      places: Folders as from `roots`.

    Returns:
      PLACE/NAME[/CONFIG]/VERSION, or None when no place holds the set.

    Raises:
      UserError: It is there in other file formats only, or in several configurations; or a folder
        of it may not be entered.
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
    """Returns the names of the folders of prepared sets, or of what may not be entered, in order.

    Args:
      place: A folder as from `roots`; it need not be there.

    Raises:
      UserError: It may not be read.
    """
    if not is_dir(place):
        return []
    return [folder.name for folder in entries(place) if _prepared(folder)]


def _prepared(folder: Path) -> bool:
    try:
        return is_dir(folder) and any(map(_versions, [folder, *entries(folder)]))
    except UserError:  # `find` says why it cannot be used
        return True


def _versions(base: Path) -> list[Path]:
    """Returns the version folders of a set that hold its metadata, newest first."""
    if not is_dir(base):
        return []
    numbered = [
        (tuple(map(int, path.name.split("."))), path)
        for path in entries(base)
        if re.fullmatch(r"\d+\.\d+\.\d+", path.name) and is_file(path / INFO)
    ]
    return [path for _, path in sorted(numbered, reverse=True)]


def _configured(base: Path) -> Path:
    """Returns the folder above the versions: `base`, or its only or default configuration."""
    if not is_dir(base) or _versions(base):
        return base
    configurations = [path for path in entries(base) if _versions(path)]
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
    except OSError as error:
        raise UserError(f"{directory / INFO}: cannot be read ({error.strerror}).") from error
    except (ValueError, AttributeError) as error:
        raise UserError(f"{directory / INFO}: corrupt: {error}; prepare the set again.") from error
