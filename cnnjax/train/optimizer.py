"""Optax, with the learning rate and the weight decay of one member as traced values."""

from typing import Any

import jax
import optax
from ml_collections import ConfigDict

from cnnjax import config as configs
from cnnjax import errors
from cnnjax.train.state import Hyper


def schedule(config: ConfigDict, steps: int) -> optax.Schedule:
    """The shape of the learning rate over a run: 1 at the peak, `config.final` at the end.

    Args:
      config: `schedule` ("cosine", "constant" or "exponential": the same factor at every step),
        `warmup` (steps of linear rise from 0) and `final` (fraction of the peak after the last
        step, so that the last update is still a little above it).
      steps: Length of the run.

    Returns:
      A function of the step.

    Raises:
      UserError: The schedule is unknown, cannot reach the `final` that is asked for, or is all
        warmup.
    """
    errors.choose("optimizer.schedule", config.schedule, configs.SCHEDULES)
    decay = steps - config.warmup
    if decay < 1:
        raise errors.UserError(
            f"optimizer.warmup={config.warmup}: expected fewer steps than the {steps} of the run"
        )
    if config.schedule == "cosine":
        after = optax.cosine_decay_schedule(1.0, decay, alpha=config.final)
    elif config.schedule == "constant":
        after = optax.constant_schedule(1.0)
    else:
        if config.final <= 0:
            raise errors.UserError(
                f"optimizer.final={config.final}: an exponential schedule ends above 0; "
                "set the fraction of the peak that is left at the end, such as 1e-3"
            )
        after = optax.exponential_decay(1.0, decay, config.final)
    if not config.warmup:
        return after
    rise = optax.linear_schedule(0.0, 1.0, config.warmup)
    return optax.join_schedules([rise, after], [config.warmup])


def build(config: ConfigDict, steps: int, hyper: Hyper) -> optax.GradientTransformation:
    """The optimiser of one member.

    Args:
      config: The `optimizer` section of an experiment: `name` ("adamw", or "sgd" with
        `momentum`), and what `schedule` reads.
      steps: Length of the run.
      hyper: The member's learning rate and weight decay; both may be traced. Decay is decoupled
        from the gradient's scaling, w ← w − η·(update + decay·w), and applies to arrays of two or
        more axes that are not called "bias": unshared biases have as many axes as an image.

    Returns:
      The Optax transformation, to be built inside the function that is mapped over members.

    Raises:
      UserError: The optimiser or its schedule is unknown.

    Reference:
      Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019.
    """
    shape = schedule(config, steps)
    errors.choose("optimizer.name", config.name, configs.OPTIMIZERS)
    if config.name == "adamw":
        direction = optax.scale_by_adam()
    else:
        direction = optax.trace(config.momentum) if config.momentum else optax.identity()

    def kernels(params: Any) -> Any:
        def decayed(path: Any, leaf: Any) -> bool:
            return leaf.ndim > 1 and getattr(path[-1], "key", None) != "bias"

        return jax.tree_util.tree_map_with_path(decayed, params)

    return optax.chain(
        direction,
        optax.add_decayed_weights(hyper.weight_decay, mask=kernels),
        optax.scale_by_learning_rate(lambda step: hyper.learning_rate * shape(step)),
    )
