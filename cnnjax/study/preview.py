"""What a launch would do, told without training: its groups, its members and the work they are."""

import math
from collections.abc import Sequence
from typing import Any

from cnnjax.study.planning import Plan
from cnnjax.sweep import NUMERIC

FLOPS_PER_TRAINED_MAC = 6
"""Forward and backward are three passes, and a multiply–accumulate is two operations."""


def describe(plans: Sequence[Plan]) -> str:
    """Lists groups with their members, sizes and work, and the totals of the launch.

    The work of a group is steps · batch size · members · multiply–accumulates · 3 passes · 2
    operations: the network's own arithmetic, without distortions, features and measuring.

    Args:
      plans: From `planning.plan_all`, one a group.

    Returns:
      The text that --dry_run prints.
    """
    blocks = [_block(plan) for plan in plans]
    members = sum(len(plan.group.members) for plan in plans)
    images = sum(_images(plan) for plan in plans)
    total = (
        f"{_counted(members, 'run')} in {_counted(len(plans), 'group')}, "
        f"{sum(plan.steps * len(plan.group.members) for plan in plans):,} steps, "
        f"{images:,} training images, about {_flops(sum(map(operations, plans)))}"
    )
    return "\n\n".join([*blocks, total])


def operations(plan: Plan) -> int:
    """Returns the floating-point operations that training a group takes."""
    return _images(plan) * plan.summary.multiply_accumulates * FLOPS_PER_TRAINED_MAC


def _images(plan: Plan) -> int:
    return plan.steps * plan.recipe.batch_size * len(plan.group.members)


def _block(plan: Plan) -> str:
    members = plan.group.members
    shared, swept = _numbers([member.numbers for member in members])
    lines = [
        f"{plan.group.name}",
        f"  data        {plan.dataset.name}, {len(plan.examples.labels):,} training examples",
        f"  network     {plan.summary.parameters:,} parameters, "
        f"{plan.summary.multiply_accumulates:,} multiply–accumulates an image",
        f"  training    {plan.steps:,} steps of {plan.recipe.batch_size} images, "
        f"{_counted(len(members), 'member')}, about {_flops(operations(plan))}",
        f"  all         {shared}",
    ]
    for label in dict.fromkeys(member.label for member in members):
        own = [member for member in members if member.label == label]
        name = f"{own[0].route}: {label}" if own[0].route else label
        lines.append(f"  {_counted(len(own), 'run'):10}  {name}")
        lines += [
            f"              {line}" for line in _points([each.numbers for each in own], swept)
        ]
    return "\n".join(lines)


def _numbers(members: Sequence[dict[str, Any]]) -> tuple[str, list[str]]:
    """Splits the numeric axes into those that all members share and those that tell them apart."""
    swept = [axis for axis in NUMERIC if len({member[axis] for member in members}) > 1]
    shared = [f"{axis}={members[0][axis]}" for axis in NUMERIC if axis not in swept]
    return ", ".join(shared) or "–", swept


def _points(members: Sequence[dict[str, Any]], axes: Sequence[str]) -> list[str]:
    """Writes where members lie on the axes that tell them apart: as a product, if they are one."""
    values = {axis: list(dict.fromkeys(member[axis] for member in members)) for axis in axes}
    if math.prod(map(len, values.values())) == len(members):
        crossed = (f"{axis}={','.join(map(str, each))}" for axis, each in values.items())
        return [" × ".join(crossed)] if axes else []
    return [", ".join(f"{axis}={member[axis]}" for axis in axes) for member in members]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _flops(count: int) -> str:
    """Writes a number of operations with the prefix that fits."""
    power = min(int(math.log10(max(count, 1))) // 3, 6)
    return f"{count / 1000**power:.3g} {['', 'k', 'M', 'G', 'T', 'P', 'E'][power]}FLOP"
