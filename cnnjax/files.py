"""Files that are whole or not there, however a process ends."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator

TEMPORARY = ".unfinished-"
"""How the names of files begin that are not whole yet."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Gives a temporary path beside `path`, and moves it there when the block ends well.

    >>> with replacing("/tmp/cnnjax-doctest") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> pathlib.Path("/tmp/cnnjax-doctest").read_text()
    'whole'
    """
    path = pathlib.Path(path)
    handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
