"""How the members of a group are laid out on the machine: the one place where that is decided."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from cnnjax import config as configs
from cnnjax import errors


def resolve(layout: str) -> str:
    """What "auto" means on this machine.

    Args:
      layout: "map" runs members one after another inside one program, "vmap" side by side. "auto"
        is "map" on the CPU, where one member fills a core, and "vmap" elsewhere.

    Returns:
      "map" or "vmap".

    Raises:
      UserError: The layout is unknown.
    """
    errors.choose("layout", layout, configs.LAYOUTS)
    if layout != "auto":
        return layout
    return "map" if jax.default_backend() == "cpu" else "vmap"


def over_members(function: Callable[..., Any], layout: str, members: int) -> Callable[..., Any]:
    """Maps `function(member, shared)` over the leading axis of `member`.

    With several devices the members are also divided among them, as far as their number allows:
    each device works through its own share by the layout.

    Args:
      function: Takes one member's pytree and a pytree that all members share.
      layout: One of `config.LAYOUTS`.
      members: Number of members, the length of the leading axis.

    Returns:
      A function of (stacked members, shared) whose result is stacked the same way.

    Raises:
      UserError: The layout is unknown.
    """
    if resolve(layout) == "map":

        def mapped(stacked: Any, shared: Any) -> Any:
            return jax.lax.map(lambda member: function(member, shared), stacked)
    else:

        def mapped(stacked: Any, shared: Any) -> Any:
            return jax.vmap(function, in_axes=(0, None))(stacked, shared)

    mesh = member_mesh(members)
    if mesh.size == 1:
        return mapped
    # Members never talk to each other, so there is nothing for jax to verify across devices.
    return jax.shard_map(
        mapped,
        mesh=mesh,
        in_specs=(PartitionSpec("member"), PartitionSpec()),
        out_specs=PartitionSpec("member"),
        check_vma=False,
    )


def member_mesh(members: int) -> Mesh:
    """The devices among which a group is divided: as many as divide its number of members."""
    devices = jax.devices()
    count = max(count for count in range(1, len(devices) + 1) if members % count == 0)
    return Mesh(np.array(devices[:count]), ("member",), axis_types=(AxisType.Auto,))


def place(stacked: Any, shared: Any, members: int) -> tuple[Any, Any]:
    """Puts a group's members and what they share where `over_members` wants them.

    Args:
      stacked: A pytree with a leading axis of members.
      shared: A pytree that every member reads.
      members: Number of members.

    Returns:
      Both, on their devices, so that the first call is compiled for the same places as all others.
    """
    mesh = member_mesh(members)
    if mesh.size == 1:
        return jax.device_put((stacked, shared), mesh.devices.flat[0])
    split, everywhere = PartitionSpec("member"), PartitionSpec()
    return (
        jax.device_put(stacked, NamedSharding(mesh, split)),
        jax.device_put(shared, NamedSharding(mesh, everywhere)),
    )
