"""What a network makes of a test set: exact sums, and the two best guesses for each example."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from cnnjax import ops
from cnnjax.invariance import batching
from cnnjax.invariance.checks import check_labels

Predict = Callable[[Any, Array], Array]
"""predict(variables, inputs) -> logits: pure, traceable, and given float inputs, [0, 1] for images.

Compiled programs are kept per function object: hand over the same one for every member. One that is
not of JAX, such as a scikit-learn classifier's, goes through `jax.pure_callback`.
"""


class TopTwo(NamedTuple):
    """The two classes of the largest logits of each example, which are the most probable ones.

    Attributes:
      first: The predicted class, that of the largest logit; of equals, the lowest. −1 where a logit
        is not a number.
      first_probability: Its softmax probability.
      second: The next class; −1 where there is no first.
      second_probability: Its softmax probability.
    """

    first: Int[Array, " examples"]
    first_probability: Float[Array, " examples"]
    second: Int[Array, " examples"]
    second_probability: Float[Array, " examples"]


class Evaluation(NamedTuple):
    """Sums over examples and the guesses, whatever the batches were.

    Attributes:
      correct: Number of examples whose class is the label.
      loss: Sum of the cross-entropies, in nats; batches of another size round it otherwise.
      examples: Number of examples.
      guesses: What each example is taken for.
    """

    correct: Int[Array, ""]
    loss: Float[Array, ""]
    examples: Int[Array, ""]
    guesses: TopTwo


def classes(logits: Float[Array, "batch classes"]) -> Int[Array, " batch"]:
    """The predicted class, or −1 where a logit is not a number: that is no answer at all."""
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(
            f"logits of shape {logits.shape}: expected (batch, classes) of `predict`, at least two "
            "classes"
        )
    return jnp.where(jnp.isnan(logits).any(axis=-1), -1, jnp.argmax(logits, axis=-1))


def evaluate(
    predict: Predict,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    labels: Int[Array | np.ndarray, " examples"] | Sequence[int],
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
      ValueError: There are no examples, there is not one class for each, the batch size is not
        positive, or `predict` does not give logits of at least two classes.

    >>> import jax.numpy as jnp
    >>> logits = jnp.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])[:, None]
    >>> sums = evaluate(lambda _, x: x[:, 0], {}, logits, jnp.array([0, 1, 1]), batch_size=2)
    >>> int(sums.correct), int(sums.examples)
    (2, 3)
    """
    labels = check_labels(images, labels)
    found, columns = _evaluate(predict, variables, images, labels, batch_size=batch_size)
    number = columns.shape[1]
    if not isinstance(labels, jax.core.Tracer) and np.max(labels) >= number:
        raise ValueError(f"labels with {np.max(labels)}: expected classes from 0 to {number - 1}")
    return found


@partial(jax.jit, static_argnames=("predict", "batch_size"))
def _evaluate(
    predict: Predict,
    variables: Any,
    images: Num[Array | np.ndarray, "examples *space channels"],
    labels: Int[Array | np.ndarray, " examples"],
    *,
    batch_size: int,
) -> tuple[Evaluation, Float[Array, "0 classes"]]:
    """The compiled core of `evaluate`, and an empty array that tells the number of classes."""

    def one(batch: tuple[Array, Array, Array]) -> tuple[Array, Array, TopTwo, Array]:
        inputs, truth, real = batch
        logits = predict(variables, ops.unit(inputs)).astype(jnp.float32)
        answers = classes(logits)
        loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), truth[:, None], axis=-1)[:, 0]
        return (
            jnp.sum(real & (answers == truth)),
            jnp.sum(jnp.where(real, loss, 0.0)),
            _top_two(logits, answers),
            logits[:0],
        )

    examples = images.shape[0]
    batches = (
        batching.split(images, batch_size),
        batching.split(labels, batch_size),
        jnp.asarray(batching.real(examples, batch_size)),
    )
    correct, loss, guesses, columns = jax.lax.map(one, batches)
    guesses = jax.tree.map(lambda values: values.reshape(-1)[:examples], guesses)
    sums = Evaluation(jnp.sum(correct), jnp.sum(loss), jnp.int32(examples), guesses)
    return sums, columns[0]


def _top_two(logits: Float[Array, "batch classes"], first: Int[Array, " batch"]) -> TopTwo:
    """The first guess, which is given, and the second one."""
    # By the logits: probabilities round, and what is equal or 0 among them has no order.
    lowest = jnp.finfo(logits.dtype).min
    others = jnp.where(
        jnp.arange(logits.shape[1]) == first[:, None], -jnp.inf, jnp.maximum(logits, lowest)
    )
    second = jnp.where(first < 0, -1, jnp.argmax(others, axis=-1))
    pairs = jnp.stack([first, second], axis=-1)
    chances = jnp.take_along_axis(jax.nn.softmax(logits), pairs, axis=-1)
    return TopTwo(first, chances[:, 0], second, chances[:, 1])
