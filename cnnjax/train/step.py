"""One update of one member: draw a batch, distort it, descend."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key, Num

from cnnjax import ops
from cnnjax.train import door as door_module
from cnnjax.train import state as state_module
from cnnjax.train.state import Hyper, State


class Examples(NamedTuple):
    """The training split on the device: images as stored (uint8 pixels), labels as int32."""

    images: Num[Array | np.ndarray, "examples *shape"]
    labels: Int[Array | np.ndarray, "examples"]


class Recipe(NamedTuple):
    """What the members of a group share.

    Attributes:
      network: The seam: `init` and `apply`.
      door: From images in [0, 1] to network inputs.
      augment: `(key, images, labels, strength) -> images`, or None.
      optimizer: From a member's numbers to its Optax transformation.
      batch_size: Examples a step.
      num_classes: Number of classes.
      mix: `(key, images, targets, strength=…) -> (images, targets)`, or None: what mixes the
        distorted batch with itself.
    """

    network: Any
    door: door_module.Door
    augment: Callable[..., Array] | None
    optimizer: Callable[[Hyper], optax.GradientTransformation]
    batch_size: int
    num_classes: int
    mix: Callable[..., tuple[Array, Array]] | None = None


def training_set(
    key: Key[Array, ""], hyper: Hyper, labels: Int[Array, "examples"], num_classes: int
) -> tuple[Bool[Array, "examples"], Int[Array, "examples"]]:
    """What a member is given to learn from.

    Args:
      key: The member's key for its data.
      hyper: Its `train_size` and `label_noise`.
      labels: The true labels of the training split.
      num_classes: Number of classes.

    Returns:
      Which examples it sees, a random `train_size` of them; and their labels, each with probability
      `label_noise` replaced by a class drawn evenly from all.
    """
    places, draws = jax.random.uniform(key, (2, labels.shape[0]))
    rank = jnp.arange(labels.shape[0])
    seen = jnp.zeros(labels.shape, bool).at[jnp.argsort(places)].set(rank < hyper.train_size)
    # Below the share of noise p, draw / p is uniform again, and says which class it becomes.
    share = jnp.maximum(hyper.label_noise, jnp.finfo(jnp.float32).tiny)
    classes = jnp.minimum((draws / share * num_classes).astype(jnp.int32), num_classes - 1)
    return seen, jnp.where(draws < hyper.label_noise, classes, labels)


def epoch_order(
    key: Key[Array, ""], seen: Bool[Array, "examples"], epoch: Int[Array, ""]
) -> Int[Array, "examples"]:
    """The examples that the member sees, shuffled for this epoch, then all the others.

    Args:
      key: The member's `order` key.
      seen: Which examples it sees.
      epoch: Number of the epoch, ≥ 0; every one has an order of its own.

    Returns:
      The indices of all examples.
    """
    draws = jax.random.uniform(jax.random.fold_in(key, epoch), seen.shape)
    return jnp.argsort(jnp.where(seen, draws, 2.0)).astype(jnp.int32)


def cross_entropy(
    logits: Float[Array, "batch classes"],
    targets: Int[Array, "batch"] | Float[Array, "batch classes"],
    *,
    smoothing: Float[Array | np.ndarray, ""] | float = 0.0,
) -> Float[Array, "batch"]:
    """Cross-entropy with label smoothing, −Σ_c s_c log p_c with s = (1 − ε)·t + ε / classes.

    Args:
      logits: Unnormalised scores.
      targets: t, the true classes, or a distribution over the classes for each example.
      smoothing: ε, in [0, 1); may be traced.

    Returns:
      The loss of each example.

    Reference:
      Szegedy et al., Rethinking the Inception Architecture, CVPR 2016.

    >>> import jax.numpy as jnp
    >>> round(float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))[0]), 4)  # log 4
    1.3863
    """
    logs, smoothing = jax.nn.log_softmax(logits), jnp.asarray(smoothing)
    if targets.ndim == 1:
        truth = jnp.take_along_axis(logs, targets[:, None], axis=1)[:, 0]
    else:
        truth = (targets * logs).sum(axis=1)
    return -(1.0 - smoothing) * truth - smoothing * logs.mean(axis=1)


def update(
    recipe: Recipe,
    state: State,
    hyper: Hyper,
    images: Num[Array | np.ndarray, "batch *shape"],
    labels: Int[Array | np.ndarray, "batch"],
) -> tuple[State, Float[Array, "2"]]:
    """One update of one member on a given batch: distort, mix, look through the door, descend.

    Args:
      recipe: What the group shares.
      state: The member's state.
      hyper: The member's numbers.
      images: The batch as stored.
      labels: Its classes.

    Returns:
      The new state, and the loss and the accuracy on the batch as it was trained on; of a mixed
      example the greater part counts as its class.
    """
    optimizer, keys = recipe.optimizer(hyper), state_module.keys(hyper)
    targets, inputs = jnp.asarray(labels), ops.unit(images)
    key = jax.random.fold_in(keys.augment, state.step)
    if recipe.mix is not None:  # otherwise the key stays as it is, and with it the bits
        key, mix_key = jax.random.split(key)
    if recipe.augment is not None:
        inputs = recipe.augment(key, inputs, targets, hyper.augment_strength)
    truth = targets
    if recipe.mix is not None:
        targets = jax.nn.one_hot(targets, recipe.num_classes)
        inputs, targets = recipe.mix(mix_key, inputs, targets, strength=hyper.augment_strength)
        truth = targets.argmax(axis=1)

    def batch_loss(params):
        logits, updated = recipe.network.apply(
            state.variables | {"params": params},
            recipe.door(inputs),
            True,
            jax.random.fold_in(keys.dropout, state.step),
        )
        loss = cross_entropy(logits, targets, smoothing=hyper.label_smoothing).mean()
        return loss, (updated, (logits.argmax(axis=1) == truth).mean())

    params = state.variables["params"]
    (loss, (updated, accuracy)), gradient = jax.value_and_grad(batch_loss, has_aux=True)(params)
    change, optimizer_state = optimizer.update(gradient, state.optimizer, params)
    after = State(
        variables=state.variables | updated | {"params": optax.apply_updates(params, change)},
        optimizer=optimizer_state,
        step=state.step + 1,
        finite=state.finite & jnp.isfinite(loss),
    )
    return after, jnp.stack([loss, accuracy])


def train_steps(
    recipe: Recipe, state: State, hyper: Hyper, examples: Examples, length: Int[Array, ""]
) -> tuple[State, Float[Array, "2"]]:
    """`length` updates of one member in one loop on the device.

    Each epoch visits the member's examples in a new order; what does not fill a batch is left to
    the next epoch's shuffle. Every draw is keyed by (seed, epoch or step), never carried, so that
    where a run is cut into calls makes no difference to its bits.

    Args:
      recipe: What the group shares.
      state: The member's state.
      hyper: The member's numbers.
      examples: The training split.
      length: Number of updates; traced, so that every length runs the same program.

    Returns:
      The new state, and the mean loss and accuracy on the batches as they were trained on.
    """
    size = recipe.batch_size
    steps_per_epoch = jnp.maximum(hyper.train_size // size, 1)
    keys, truth = state_module.keys(hyper), jnp.asarray(examples.labels)
    seen, labels = training_set(keys.data, hyper, truth, recipe.num_classes)

    def next_batch(index, carry):
        state, order, totals = carry
        epoch, place = state.step // steps_per_epoch, state.step % steps_per_epoch
        # A call that goes on in the middle of an epoch makes that epoch's order again.
        order = jax.lax.cond(
            (place == 0) | (index == 0),
            lambda: epoch_order(keys.order, seen, epoch),
            lambda: order,
        )
        chosen = order[(place * size + jnp.arange(size)) % hyper.train_size]
        state, told = update(recipe, state, hyper, examples.images[chosen], labels[chosen])
        return state, order, totals + told

    carry = state, jnp.zeros(truth.shape, jnp.int32), jnp.zeros(2)
    state, _, totals = jax.lax.fori_loop(0, length, next_batch, carry)
    return state, totals / jnp.maximum(length, 1)
