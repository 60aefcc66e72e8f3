"""A group's states on disk: written by Orbax, whole or not at all."""

import pathlib
import zlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from cnnjax.errors import UserError


class Checkpoints:
    """The newest states of one group of members.

    Args:
      directory: The group's folder; made when it is missing.
    """

    def __init__(self, directory: pathlib.Path):
        self._manager = ocp.CheckpointManager(
            directory.resolve(),  # Orbax takes absolute paths only
            options=ocp.CheckpointManagerOptions(
                max_to_keep=1, create=True, enable_async_checkpointing=False
            ),
        )

    @property
    def step(self) -> int | None:
        """The step of the newest checkpoint, or None when there is none."""
        return self._manager.latest_step()

    def save(self, step: int, tree: Any) -> None:
        """Writes `tree` as the state after `step` updates and removes the one before.

        A process that is killed meanwhile leaves the one before in place. What is there for this
        very step is kept as it is.

        Args:
          step: Number of updates, ≥ 0.
          tree: A pytree of arrays.

        Raises:
          OSError: It cannot be written.
        """
        if step == self.step:
            return
        try:
            tree = jax.device_get(tree)
            whole = {"tree": tree, "checksum": _checksum(tree)}
            self._manager.save(step, args=ocp.args.StandardSave(whole))
        except ValueError as error:  # TensorStore's word for a full disk, too
            raise OSError(str(error).splitlines()[0]) from error

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

        abstract = jax.tree.map(there, {"tree": like, "checksum": np.zeros((), np.uint32)})
        try:
            kept = self._manager.restore(self.step, args=ocp.args.StandardRestore(abstract))
            tree = jax.device_get(kept["tree"])
            if _checksum(tree) != kept["checksum"]:
                raise ValueError("its numbers are not those that were written")
        except Exception as error:  # which Orbax raises plain where a piece of an array is damaged
            raise UserError(
                f"{self._manager.directory}: the checkpoint cannot be read "
                f"({str(error).splitlines()[0]}); delete it to train this group again"
            ) from error
        return tree

    def close(self) -> None:
        """Releases Orbax's threads."""
        self._manager.close()


def _checksum(tree: Any) -> np.ndarray:
    """CRC-32 of leaves on the host: Orbax reads what a disk spoils as other numbers."""
    total = 0
    for leaf in jax.tree.leaves(tree):
        total = zlib.crc32(np.asarray(leaf).tobytes(), total)
    return np.asarray(total, np.uint32)
