"""A group's states on disk: written by Orbax, whole or not at all, and checked when read."""

import json
import pathlib
import shutil
import zlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from cnnjax.errors import UserError

# A checkpoint is a folder named by its step with Orbax's files and their sums beside them. It is
# made under another name, which a process that is killed meanwhile leaves behind.
_STATE, _SUMS, _UNFINISHED = "state", "sums.json", "unfinished"


class Checkpoints:
    """The newest states of one group of members.

    Args:
      directory: The group's folder; made when it is missing.

    Raises:
      OSError: The folder cannot be made.
    """

    def __init__(self, directory: pathlib.Path):
        self._directory = directory.resolve()  # Orbax takes absolute paths only
        self._directory.mkdir(parents=True, exist_ok=True)
        self._orbax = ocp.Checkpointer(ocp.StandardCheckpointHandler())

    @property
    def step(self) -> int | None:
        """The step of the newest checkpoint, or None when there is none."""
        return max(self._steps(), default=None)

    def _steps(self) -> list[int]:
        names = [path.name for path in self._directory.iterdir()]
        return [int(name) for name in names if name.isdecimal()]

    def save(self, step: int, tree: Any) -> None:
        """Writes `tree` as the state after `step` updates and removes the one before.

        A process that is killed meanwhile leaves the one before in place. What is there for this
        very step is kept as it is.

        Args:
          step: Number of updates, ≥ 0; larger than that of the checkpoint before.
          tree: A pytree of arrays.

        Raises:
          OSError: It cannot be written.
        """
        if step == self.step:
            return
        new = self._directory / _UNFINISHED
        shutil.rmtree(new, ignore_errors=True)
        try:
            self._orbax.save(new / _STATE, args=ocp.args.StandardSave(jax.device_get(tree)))
        except ValueError as error:  # TensorStore's word for a full disk, too
            raise OSError(str(error).splitlines()[0]) from error
        (new / _SUMS).write_text(json.dumps(_sums(new / _STATE), indent=1))
        new.rename(self._directory / str(step))
        for other in self._steps():
            if other != step:
                shutil.rmtree(self._directory / str(other))

    def restore(self, like: Any) -> Any:
        """The newest checkpoint.

        Args:
          like: A tree of arrays or `jax.ShapeDtypeStruct` with the shapes that are expected.

        Returns:
          A tree of the same structure, its leaves NumPy arrays.

        Raises:
          UserError: It cannot be read, is not what was written, or is a tree of another structure.
        """
        # By way of one device: what several wrote is to be read where there are fewer.
        place = jax.sharding.SingleDeviceSharding(jax.devices()[0])

        def there(leaf: Any) -> jax.ShapeDtypeStruct:
            where = None if isinstance(leaf, np.ndarray) else place  # NumPy's never left the host
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where)

        folder = self._directory / str(self.step)
        abstract = jax.tree.map(there, like)
        try:
            _check(folder)
            kept = self._orbax.restore(folder / _STATE, args=ocp.args.StandardRestore(abstract))
        except Exception as error:  # which Orbax raises plain for a part of what it cannot read
            words = str(error).partition("\n")[0] or type(error).__name__
            raise UserError(
                f"{folder}: the checkpoint cannot be read ({words}); delete it to train this group "
                "again"
            ) from error
        return jax.device_get(kept)

    def close(self) -> None:
        """Releases Orbax's threads."""
        self._orbax.close()


def _sums(state: pathlib.Path) -> dict[str, int]:
    """CRC-32 of each of Orbax's files, by its path."""
    files = sorted(path for path in state.rglob("*") if path.is_file())
    return {path.relative_to(state).as_posix(): zlib.crc32(path.read_bytes()) for path in files}


def _check(checkpoint: pathlib.Path) -> None:
    """Refuses files that are not those that were written.

    Orbax reads what a disk has changed as other numbers, and where a part is missing it closes its
    event loop while other parts are still being read, which print tracebacks of their own.
    """
    if not (checkpoint / _SUMS).exists():
        raise ValueError(f"{_SUMS} is missing")
    written, found = json.loads((checkpoint / _SUMS).read_text()), _sums(checkpoint / _STATE)
    for name, total in written.items():
        if name not in found:
            raise ValueError(f"{_STATE}/{name} is missing")
        if found[name] != total:
            raise ValueError(f"{_STATE}/{name} is not what was written")
