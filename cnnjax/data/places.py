"""Looking for files and folders: a ~ without a home, or a locked door, is told in one line."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from cnnjax.errors import UserError


def expand(place: str | os.PathLike[str], name: str) -> Path:
    """Returns a path with the home that ~ or ~USER at its beginning stands for.

    Args:
      place: What the user wrote.
      name: The argument or variable it was written for, for the error's wording.

    Returns:
      The path.

    Raises:
      UserError: Nobody has that home.

    >>> expand("data/of~mine", "data_dir").as_posix()
    'data/of~mine'
    """
    expanded = os.path.expanduser(place)
    if expanded.startswith("~"):
        raise UserError(
            f"{name}={os.fspath(place)!r}: no home is known for {Path(expanded).parts[0]}; write "
            "the folder out, or ./~ for one that is called so."
        )
    return Path(expanded)


def exists(path: Path) -> bool:
    """Returns whether anything is there.

    Raises:
      UserError: It cannot be told, as where a folder above may not be entered.
    """
    return _is(path, lambda mode: True)


def is_file(path: Path) -> bool:
    """Returns whether a file is there.

    Raises:
      UserError: It cannot be told, as where a folder above may not be entered.
    """
    return _is(path, stat.S_ISREG)


def is_dir(path: Path) -> bool:
    """Returns whether a folder is there.

    Raises:
      UserError: It cannot be told, as where a folder above may not be entered.
    """
    return _is(path, stat.S_ISDIR)


def entries(folder: Path) -> list[Path]:
    """Returns what lies in a folder, in alphabetical order.

    Args:
      folder: The folder.

    Raises:
      UserError: It may not be read, or is none.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


# Path.is_dir and its like raise, or from Python 3.14 on say no, where a folder may not be entered.
def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    try:
        return kind(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no path with a NUL is there
        return False
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be read ({error.strerror}).")
