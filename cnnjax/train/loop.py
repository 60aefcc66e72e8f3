"""The training loop: a group of members from their first step to their last."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax import ops
from cnnjax.train import interrupt, layout, state, step
from cnnjax.train.checkpoint import Checkpoints


class Progress(NamedTuple):
    """What the loop tells after every call of the compiled program.

    Attributes:
      step: Updates made so far, by every member.
      start: How many of them were made by earlier launches.
      loss: Mean training loss since the last report, one per member.
      accuracy: Mean accuracy on the training batches since the last report, one per member.
      images_per_second: All members together, without compilation.
    """

    step: int
    start: int
    loss: np.ndarray
    accuracy: np.ndarray
    images_per_second: float


class Trained(NamedTuple):
    """A trained group.

    Attributes:
      states: The final states, stacked over members.
      seconds: Time spent in updates, all members together, over every launch that took part;
        compilation is not counted.
      initial: The variables before the first step, stacked, on the host.
    """

    states: state.State
    seconds: float
    initial: Any


def initial(recipe: step.Recipe, hypers: state.Hyper, images: Any) -> state.State:
    """The states of a group before its first step.

    Args:
      recipe: What the group shares.
      hypers: The members' numbers, stacked.
      images: A few images as stored; only their shape matters.

    Returns:
      The states, stacked, on the host.
    """
    seen = jax.eval_shape(lambda images: recipe.door(ops.unit(images)), images[:1])
    inputs = np.zeros(seen.shape, seen.dtype)

    def create(member: int) -> state.State:
        hyper = jax.tree.map(lambda leaf: leaf[member], hypers)
        created = state.create(recipe.network, recipe.optimizer, hyper, inputs)
        return jax.device_get(created)

    # By way of the host, where stacking members and dividing them needs no programs.
    states = map(create, range(len(hypers.seed)))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


class Prepared(NamedTuple):
    """A group whose program is compiled.

    Attributes:
      program: `(states, hypers, examples, length) -> (states, totals)`; the states given are gone.
      states: The states before the first step, stacked.
      hypers: The members' numbers, stacked.
      examples: The training split.
      batch_size: Examples a step.
      initial: The variables of `states` once more, on the host: training uses the states up.
    """

    program: Callable[..., Any]
    states: state.State
    hypers: state.Hyper
    examples: step.Examples
    batch_size: int
    initial: Any


def prepare(
    recipe: step.Recipe,
    hypers: state.Hyper,
    examples: step.Examples,
    *,
    members_layout: str = "auto",
) -> Prepared:
    """Lays a group out on the devices and compiles its program.

    Args:
      recipe: What the group shares.
      hypers: The members' numbers, stacked.
      examples: The training split.
      members_layout: One of `config.LAYOUTS`.

    Returns:
      What `train` takes.

    Raises:
      UserError: The layout is unknown.
    """
    members = len(hypers.seed)
    first = initial(recipe, hypers, examples.images)
    (states, hypers), examples = layout.place((first, hypers), examples, members)

    def one_member(member: Any, shared: Any) -> Any:
        return step.train_steps(recipe, *member, *shared)

    mapped = layout.over_members(one_member, members_layout, members)

    @partial(jax.jit, donate_argnums=0)
    def program(states: state.State, hypers: state.Hyper, examples: Any, length: Any) -> Any:
        return mapped((states, hypers), (examples, length))

    # Compiled by a call for no updates at all, so that training is timed without compilation.
    states, _ = program(states, hypers, examples, jnp.int32(0))
    return Prepared(program, states, hypers, examples, recipe.batch_size, first.variables)


def train(
    prepared: Prepared,
    steps: int,
    *,
    checkpoints: Checkpoints | None = None,
    checkpoint_seconds: float = 30.0,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """Trains every member of a group for `steps` updates in one compiled program.

    The program is called for as many updates at a time as take about a second, so that progress is
    shown and a signal is answered, or for more where a call by itself takes long: of many members
    on many examples, each shuffles anew. How the calls are cut does not change any bit.

    Args:
      prepared: The group; its states are used up.
      steps: Updates for each member.
      checkpoints: Where states are kept. The newest one is taken up; one is written at the end,
        every `checkpoint_seconds`, and when SIGTERM or Ctrl-C arrives.
      checkpoint_seconds: Time between checkpoints.
      report: Called with the progress after every call.

    Returns:
      The final states and the time they took.

    Raises:
      UserError: The newest checkpoint cannot be read, or is of another group.
      OSError: A checkpoint cannot be written.
      SystemExit: SIGTERM or Ctrl-C asked to stop; the state was written if there are checkpoints.
        The status is 128 plus the signal's number.
    """
    program, states, hypers, examples, batch_size, first = prepared
    members, seconds = len(hypers.seed), 0.0
    if checkpoints is not None and checkpoints.step is not None:
        kept = checkpoints.restore({"states": states, "seconds": np.zeros(())})
        (states, _), _ = layout.place((kept["states"], hypers), examples, members)
        seconds = float(kept["seconds"])
    start_step = done = int(states.step[0])

    start = time.monotonic()
    states, totals = jax.block_until_ready(program(states, hypers, examples, jnp.int32(0)))
    # Seconds a call: what it takes by itself, without an update, is to be a tenth of it at most.
    aim = max(1.0, 10.0 * (time.monotonic() - start))
    saved_at, length = time.monotonic(), 1
    with interrupt.requested() as stop:
        while done < steps:
            length = min(length, steps - done)
            start = time.monotonic()
            states, totals = program(states, hypers, examples, jnp.int32(length))
            loss, accuracy = np.asarray(totals).T
            took = time.monotonic() - start

            done, seconds = done + length, seconds + took
            rate = members * length * batch_size / took
            report(Progress(done, start_step, loss, accuracy, rate))
            # Never more than four times the last one: the first call says little about the pace.
            length = max(1, min(4 * length, round(aim * length / took)))

            late, signal = time.monotonic() - saved_at > checkpoint_seconds, stop()
            if checkpoints is not None and (late or done == steps or signal):
                checkpoints.save(done, {"states": states, "seconds": np.asarray(seconds)})
                saved_at = time.monotonic()
            if signal:
                raise SystemExit(128 + signal)
    return Trained(states, seconds, first)
