"""A softmax regression with running statistics: small enough to follow by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from cnnjax import config as configs
from cnnjax import train
from cnnjax.train import door, optimizer


class Network:
    """logits = x·w + b; keeps a running mean of its inputs, as batch normalisation would."""

    @staticmethod
    def init(key, x):
        size = x[0].size
        params = {"w": 0.1 * jax.random.normal(key, (size, 3)), "b": jnp.zeros(3)}
        return {"params": params, "batch_stats": {"mean": jnp.zeros(size)}}

    @staticmethod
    def apply(variables, x, train, key):
        x = x.reshape(len(x), -1)
        params = variables["params"]
        logits = x @ params["w"] + params["b"]
        if not train:
            return logits, {}
        mean = 0.9 * variables["batch_stats"]["mean"] + 0.1 * x.mean(axis=0)
        return logits, {"batch_stats": {"mean": mean}}


def examples(count=24):
    """Images of 2×2 pixels in three classes that a linear network can tell apart."""
    draws = np.random.default_rng(0)
    labels = draws.integers(0, 3, count).astype(np.int32)
    images = draws.integers(0, 120, (count, 2, 2, 1))
    images.reshape(count, 4)[np.arange(count), labels] += 120
    return train.Examples(images.astype(np.uint8), labels)


def recipe(steps, *, batch_size=8, augment=None, **settings):
    config = configs.default().optimizer
    config.update({"name": "sgd", "momentum": 0.0, "schedule": "constant"} | settings)
    return train.Recipe(
        network=Network,
        door=door.Door(lambda images: images, 0.0, 1.0),
        augment=augment,
        optimizer=functools.partial(optimizer.build, config, steps),
        batch_size=batch_size,
        num_classes=3,
    )


def hypers(members=1, **numbers):
    """Members that differ in their seed; a keyword gives one number for all, or one for each."""
    defaults = {
        "learning_rate": 0.5,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augment_strength": 0.0,
        "label_noise": 0.0,
    }
    columns = {
        name: np.broadcast_to(np.float32(numbers.pop(name, value)), members)
        for name, value in defaults.items()
    }
    seed = np.broadcast_to(np.int32(numbers.pop("seed", np.arange(members))), members)
    size = np.broadcast_to(np.int32(numbers.pop("train_size", 24)), members)
    assert not numbers
    return train.Hyper(seed=seed, train_size=size, **columns)
