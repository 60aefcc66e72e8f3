"""The folder that a launch leaves its files in: one launch at a time, one configuration."""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator

from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import files, results
from cnnjax.errors import UserError


@contextlib.contextmanager
def claim(path: str | os.PathLike[str], config: ConfigDict) -> Iterator[pathlib.Path]:
    """Takes a workdir for the length of the block, and writes config.json.

    A lock that the system drops when the process ends, however it ends, keeps other launches out.

    Args:
      path: The folder; made if need be.
      config: The resolved configuration of the launch.

    Yields:
      The folder, absolute.

    Raises:
      UserError: The folder cannot be written, is in use, holds another configuration, results of
        an unknown one or a corrupt table.
    """
    folder = pathlib.Path(path).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("a+")
    except OSError as error:
        raise UserError(f"--workdir={path}: cannot be used ({error.strerror})") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"--workdir={path}: another launch is running there; wait for it or choose another"
            ) from None
        _check_configuration(path, folder / "config.json", config)
        for leftover in folder.glob(f"{files.TEMPORARY}*"):
            leftover.unlink()  # of a launch that was killed while it wrote
        for name in results.SCHEMAS:
            table = folder / f"{name}.parquet"
            if table.exists():
                results.read(table)
        with files.replacing(folder / "config.json") as temporary:
            temporary.write_text(configs.to_json(config))
        yield folder


def _check_configuration(
    shown: str | os.PathLike[str], file: pathlib.Path, config: ConfigDict
) -> None:
    if not file.exists():
        # Nothing would say that what is there is of this launch, and it would be taken for it.
        left = [
            name for name in ("results.parquet", "checkpoints") if (file.parent / name).exists()
        ]
        if left:
            raise UserError(
                f"--workdir={shown}: holds {' and '.join(left)} but no config.json that says what "
                "they are of; choose another --workdir"
            )
        return
    try:
        old = json.loads(file.read_text())
    except (OSError, ValueError):
        old = None
    if not isinstance(old, dict):
        raise UserError(f"{file}: is corrupt; choose another --workdir")
    if differs := configs.difference(old, config):
        raise UserError(
            f"--workdir={shown}: holds another configuration ({differs}); choose another --workdir"
        )
