"""What a network makes of a test set: exact sums, and the two best guesses for each example."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from cnnjax import ops
from cnnjax.invariance import batching

Predict = Callable[[Any, Array], Array]
"""predict(variables, inputs) -> logits: pure, traceable, and given float inputs, [0, 1] for images.

Compiled programs are kept per function object: hand over the same one for every member. One that is
not of JAX, such as a scikit-learn classifier's, goes through `jax.pure_callback`.
"""


class TopTwo(NamedTuple):
    """The two most probable classes of each example.

    Attributes:
      first: The most probable class; of equals, the lowest.
      first_probability: Its softmax probability.
      second: The next class.
      second_probability: Its softmax probability.
    """

    first: Int[Array, " examples"]
    first_probability: Float[Array, " examples"]
    second: Int[Array, " examples"]
    second_probability: Float[Array, " examples"]


class Evaluation(NamedTuple):
    """Sums over examples, so that batches of any size add up exactly, and the guesses.

    Attributes:
      correct: Number of examples whose class is the label.
      loss: Sum of the cross-entropies, in nats.
      examples: Number of examples.
      guesses: What each example is taken for.
    """

    correct: Int[Array, ""]
    loss: Float[Array, ""]
    examples: Int[Array, ""]
    guesses: TopTwo


def classes(logits: Float[Array, "batch classes"]) -> Int[Array, " batch"]:
    """The predicted class, or −1 where a logit is not a number: that is no answer at all."""
    if logits.ndim != 2:
        raise ValueError(f"logits of shape {logits.shape}: expected (batch, classes) of `predict`")
    return jnp.where(jnp.isnan(logits).any(axis=-1), -1, jnp.argmax(logits, axis=-1))


def check_labels(images: Array | np.ndarray, labels: Array | np.ndarray) -> None:
    """Refuses labels that are not one class for each image."""
    if labels.ndim != 1:
        raise ValueError(f"labels of shape {labels.shape}: expected one class for each image")
    if len(images) != len(labels):
        raise ValueError(f"labels={len(labels)}: expected as many as images, {len(images)}")


@partial(jax.jit, static_argnames=("predict", "batch_size"))
def evaluate(
    predict: Predict,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    labels: Int[Array | np.ndarray, " examples"],
    *,
    batch_size: int = 500,
) -> Evaluation:
    """What a model gets right, its cross-entropy −log softmax(logits)[label], and its guesses.

    One program for all that is asked of untouched images. It may itself be traced: under
    `jax.vmap` or `jax.lax.map` over stacked variables it evaluates all members of a group.

    Args:
      predict: predict(variables, inputs) -> logits.
      variables: The model's variables.
      images: uint8 pixels, or floats that are passed on as they are.
      labels: Classes, 0-based, of at least two.
      batch_size: Largest batch; the padding of the last one counts for nothing.

    Returns:
      The sums, and one guess an example, in order.

    Raises:
      ValueError: There are no examples, there is not one label for each, or the batch size is not
        positive.

    >>> import jax.numpy as jnp
    >>> logits = jnp.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])[:, None]
    >>> sums = evaluate(lambda _, x: x[:, 0], {}, logits, jnp.array([0, 1, 1]), batch_size=2)
    >>> int(sums.correct), int(sums.examples)
    (2, 3)
    """
    check_labels(images, labels)

    def one(batch: tuple[Array, Array, Array]) -> tuple[Array, Array, TopTwo]:
        inputs, truth, real = batch
        logits = predict(variables, ops.unit(inputs)).astype(jnp.float32)
        loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), truth[:, None], axis=-1)[:, 0]
        probabilities, guesses = jax.lax.top_k(jax.nn.softmax(logits), 2)
        return (
            jnp.sum(real & (classes(logits) == truth)),
            jnp.sum(jnp.where(real, loss, 0.0)),
            TopTwo(guesses[:, 0], probabilities[:, 0], guesses[:, 1], probabilities[:, 1]),
        )

    examples = images.shape[0]
    batches = (
        batching.split(images, batch_size),
        batching.split(labels, batch_size),
        jnp.asarray(batching.real(examples, batch_size)),
    )
    correct, loss, guesses = jax.lax.map(one, batches)
    guesses = jax.tree.map(lambda values: values.reshape(-1)[:examples], guesses)
    return Evaluation(jnp.sum(correct), jnp.sum(loss), jnp.int32(examples), guesses)
