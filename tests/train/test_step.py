"""One member's updates, against arithmetic done in numpy and against Optax's own recipes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special
import toy
from hypothesis import given
from hypothesis import strategies as st

from cnnjax import augment, train
from cnnjax.train import step


def one(stacked):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), stacked)


def start(recipe, hyper):
    shape = jnp.zeros((1, 2, 2, 1))
    return train.state.create(recipe.network, recipe.optimizer, hyper, shape)


def run(recipe, state, hyper, length, examples=None):
    steps = jax.jit(functools.partial(train.train_steps, recipe))
    return steps(state, hyper, examples or toy.examples(), jnp.int32(length))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_an_update_is_the_one_that_numpy_computes(smoothing):
    recipe = toy.recipe(1, batch_size=24)
    hyper = one(toy.hypers(label_smoothing=smoothing, weight_decay=0.1))
    before = start(recipe, hyper)
    after, (loss, accuracy) = run(recipe, before, hyper, 1)

    images, labels = toy.examples()
    x = images.reshape(24, 4) / 255.0
    w, b = (np.asarray(before.variables["params"][name], np.float64) for name in "wb")
    logs = scipy.special.log_softmax(x @ w + b, axis=1)
    targets = (1 - smoothing) * np.eye(3)[labels] + smoothing / 3
    slope = (np.exp(logs) - targets) / 24
    # Kernels decay, biases do not.
    np.testing.assert_allclose(
        after.variables["params"]["w"], w - 0.5 * (x.T @ slope + 0.1 * w), atol=1e-6
    )
    np.testing.assert_allclose(
        after.variables["params"]["b"], b - 0.5 * slope.sum(axis=0), atol=1e-6
    )
    np.testing.assert_allclose(
        after.variables["batch_stats"]["mean"], 0.1 * x.mean(axis=0), atol=1e-6
    )
    assert loss == pytest.approx(-(targets * logs).sum(axis=1).mean(), abs=1e-6)
    assert accuracy == pytest.approx((logs.argmax(axis=1) == labels).mean())


def test_a_mixed_batch_is_learnt_from_with_mixed_targets():
    # A quarter of every example is its right neighbour's, picture and target alike.
    def mix(key, images, targets, strength):
        share = 0.25 * strength
        other = jnp.roll(images, 1, axis=0), jnp.roll(targets, 1, axis=0)
        return (1 - share) * images + share * other[0], (1 - share) * targets + share * other[1]

    recipe = toy.recipe(1, batch_size=24)._replace(mix=mix)
    hyper = one(toy.hypers(label_smoothing=0.2, augment_strength=1.0))
    before = start(recipe, hyper)
    examples = toy.examples()
    after, (loss, accuracy) = jax.jit(functools.partial(train.update, recipe))(
        before, hyper, *examples
    )

    x, targets = examples.images.reshape(24, 4) / 255.0, np.eye(3)[examples.labels]
    x, targets = (0.75 * each + 0.25 * np.roll(each, 1, axis=0) for each in (x, targets))
    w, b = (np.asarray(before.variables["params"][name], np.float64) for name in "wb")
    logs = scipy.special.log_softmax(x @ w + b, axis=1)
    targets = 0.8 * targets + 0.2 / 3
    np.testing.assert_allclose(
        after.variables["params"]["w"],
        w - 0.5 * x.T @ (np.exp(logs) - targets) / 24,
        atol=1e-6,
    )
    assert loss == pytest.approx(-(targets * logs).sum(axis=1).mean(), abs=1e-6)
    assert accuracy == pytest.approx((logs.argmax(axis=1) == examples.labels).mean())


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_mixture_of_strength_0_trains_as_no_mixture(name):
    hyper = one(toy.hypers(label_smoothing=0.1))
    plain = toy.recipe(3)
    mixed = plain._replace(mix=augment.MIXTURES[name])
    for leaves in zip(
        *(
            jax.tree.leaves(run(recipe, start(recipe, hyper), hyper, 3)[0])
            for recipe in (plain, mixed)
        ),
        strict=True,
    ):
        np.testing.assert_allclose(*leaves, atol=1e-6)
    strong = hyper._replace(augment_strength=jnp.float32(1.0))
    ws = [
        run(mixed, start(mixed, each), each, 3)[0].variables["params"]["w"]
        for each in (hyper, strong)
    ]
    assert not np.allclose(*ws)


def optax_weights(reference, before, steps):
    """The kernel after `steps` updates on all examples by an optimiser of Optax's own."""
    images, labels = toy.examples()
    params = before.variables["params"]
    moments = reference.init(params)

    def loss(params):
        logits = toy.Network.apply({"params": params}, images / np.float32(255), False, None)[0]
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    for _ in range(steps):
        change, moments = reference.update(jax.grad(loss)(params), moments, params)
        params = optax.apply_updates(params, change)
    return params["w"]


def test_adamw_is_optax_adamw():
    steps = 5
    recipe = toy.recipe(steps, batch_size=24, name="adamw", schedule="cosine")
    hyper = one(toy.hypers(learning_rate=0.01, weight_decay=0.3))
    state, _ = run(recipe, start(recipe, hyper), hyper, steps)

    reference = optax.adamw(
        optax.cosine_decay_schedule(0.01, steps),
        weight_decay=0.3,
        mask={"w": True, "b": False},
    )
    expected = optax_weights(reference, start(recipe, hyper), steps)
    np.testing.assert_allclose(state.variables["params"]["w"], expected, atol=2e-6)


def test_sgd_is_optax_sgd_with_momentum():
    steps = 5
    recipe = toy.recipe(steps, batch_size=24, momentum=0.9)
    hyper = one(toy.hypers(learning_rate=0.2))
    state, _ = run(recipe, start(recipe, hyper), hyper, steps)
    np.testing.assert_allclose(
        state.variables["params"]["w"],
        optax_weights(optax.sgd(0.2, momentum=0.9), start(recipe, hyper), steps),
        atol=2e-6,
    )


def data_of(hyper, labels=None):
    labels = jnp.zeros(24, jnp.int32) if labels is None else labels
    return step.training_set(train.keys(hyper).data, hyper, labels, 3)


def order_of(hyper, seen, epoch):
    return np.asarray(step.epoch_order(train.keys(hyper).order, seen, jnp.int32(epoch)))


@given(size=st.integers(1, 24), seed=st.integers(0, 2**31 - 1), epoch=st.integers(0, 1000))
def test_an_epoch_visits_each_example_of_the_subset_once(size, seed, epoch):
    hyper = one(toy.hypers(seed=seed, train_size=size))
    seen, _ = data_of(hyper)
    order = order_of(hyper, seen, epoch)
    assert int(seen.sum()) == size
    assert sorted(order) == list(range(24))
    assert set(order[:size]) == set(np.flatnonzero(seen))


def test_epochs_are_shuffled_differently_and_seeds_see_other_subsets():
    hyper, other = (one(toy.hypers(seed=seed, train_size=12)) for seed in (0, 1))
    seen, _ = data_of(hyper)
    assert not np.array_equal(order_of(hyper, seen, 0), order_of(hyper, seen, 1))
    assert not np.array_equal(seen, data_of(other)[0])


def test_only_the_subset_is_trained_on():
    recipe, hyper = toy.recipe(6), one(toy.hypers(train_size=8))
    images, labels = toy.examples()
    unseen = ~np.asarray(data_of(hyper)[0])
    poisoned = train.Examples(
        np.where(unseen[:, None, None, None], 255, images).astype(np.uint8), labels
    )
    states = [
        run(recipe, start(recipe, hyper), hyper, 6, each)[0] for each in (toy.examples(), poisoned)
    ]
    assert np.array_equal(*(state.variables["params"]["w"] for state in states))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_label_noise_replaces_the_share_that_is_asked_for(share):
    _, noisy = data_of(one(toy.hypers(label_noise=share)), jnp.zeros(30_000, jnp.int32))
    # The new class is drawn evenly, so a third of the replaced labels falls back on the old one.
    counts = np.bincount(noisy, minlength=3) / 30_000
    np.testing.assert_allclose(counts, [1 - share * 2 / 3, share / 3, share / 3], atol=0.01)


def test_examples_that_are_seen_are_as_noisy_as_the_others():
    hyper = one(toy.hypers(label_noise=0.6, train_size=15_000))
    seen, noisy = map(np.asarray, data_of(hyper, jnp.zeros(30_000, jnp.int32)))
    np.testing.assert_allclose(
        [(noisy[seen] > 0).mean(), (noisy[~seen] > 0).mean()], 0.4, atol=0.02
    )


class Recording(toy.Network):
    """Keeps what it was given, the last step first: its examples, which dropout it would draw."""

    STEPS = 8

    @staticmethod
    def init(key, x):
        stats = {"seen": jnp.zeros((Recording.STEPS, 8)), "drawn": jnp.zeros(Recording.STEPS)}
        return {"params": toy.Network.init(key, x)["params"], "batch_stats": stats}

    @staticmethod
    def apply(variables, x, train, key):
        logits, _ = toy.Network.apply(variables, x, False, key)
        stats, new = (
            variables["batch_stats"],
            {"seen": x[:, 0, 0, 0], "drawn": jax.random.uniform(key)},
        )
        return logits, {
            "batch_stats": {name: jnp.roll(stats[name], 1, 0).at[0].set(new[name]) for name in new}
        }


def recorded(augment=None, **numbers):
    """What a member meets in its steps, first to last; pixel i of the examples is i + 1."""
    recipe = toy.recipe(Recording.STEPS, augment=augment)._replace(network=Recording)
    hyper = one(toy.hypers(**numbers))
    images = np.broadcast_to(np.arange(1, 25, dtype=np.uint8)[:, None, None, None], (24, 2, 2, 1))
    examples = train.Examples(images, toy.examples().labels)
    state, _ = run(recipe, start(recipe, hyper), hyper, Recording.STEPS, examples)
    stats = state.variables["batch_stats"]
    return np.asarray(stats["seen"])[::-1] * 255 - 1, np.asarray(stats["drawn"])[::-1]


@pytest.mark.parametrize("size", [24, 20, 16])
def test_an_epoch_is_as_many_batches_as_the_members_own_examples_fill(size):
    batches = np.rint(recorded(train_size=size)[0]).astype(int)
    seen = set(np.flatnonzero(data_of(one(toy.hypers(train_size=size)))[0]))
    steps = size // 8
    epochs = [batches[first : first + steps] for first in range(0, 9 - steps, steps)]
    for epoch in epochs:
        assert len(set(epoch.ravel())) == 8 * steps, "no example twice"
        assert set(epoch.ravel()) <= seen
    assert len({epoch.tobytes() for epoch in epochs}) == len(epochs), "each shuffled anew"


def test_every_step_draws_its_distortion_and_its_dropout_anew():
    def silence(key, images, labels, strength):
        return jnp.full_like(images, jax.random.uniform(key))

    distorted, dropped = recorded(augment=silence)
    assert len(set(distorted[:, 0])) == len(set(dropped)) == Recording.STEPS
    assert not set((distorted[:, 0] + 1) / 255) & set(dropped)
    others = recorded(augment=silence, seed=1)
    assert not set(distorted[:, 0]) & set(others[0][:, 0])
    assert not set(dropped) & set(others[1])


def test_what_several_steps_tell_is_their_mean():
    recipe, hyper = toy.recipe(3), one(toy.hypers())
    state, told = start(recipe, hyper), []
    _, whole = run(recipe, state, hyper, 3)
    for _ in range(3):
        state, each = run(recipe, state, hyper, 1)
        told.append(each)
    np.testing.assert_allclose(whole, np.mean(told, axis=0), rtol=1e-5)


def test_where_a_run_is_cut_makes_no_difference_to_its_bits():
    def augment(key, images, labels, strength):
        return images + 0.1 * jax.random.normal(key, images.shape)

    recipe, hyper = toy.recipe(7, augment=augment), one(toy.hypers(train_size=20))
    steps = jax.jit(functools.partial(train.train_steps, recipe))
    whole, _ = steps(start(recipe, hyper), hyper, toy.examples(), jnp.int32(7))
    for cut in range(8):
        part, _ = steps(start(recipe, hyper), hyper, toy.examples(), jnp.int32(cut))
        part, _ = steps(part, hyper, toy.examples(), jnp.int32(7 - cut))
        jax.tree.map(np.testing.assert_array_equal, whole, part)


def test_another_length_and_other_numbers_do_not_compile_again():
    recipe = toy.recipe(10, augment=augment.Sequence((augment.brighten, augment.rotate)))
    steps = jax.jit(functools.partial(train.train_steps, recipe))
    for length, rate in ((1, 0.1), (5, 0.2), (10, 0.3)):
        numbers = {"learning_rate": rate, "label_noise": rate, "augment_strength": rate}
        hyper = one(toy.hypers(train_size=10 + length, **numbers))
        steps(start(recipe, hyper), hyper, toy.examples(), jnp.int32(length))
    assert steps._cache_size() == 1


def test_smoothed_cross_entropy_is_the_mean_over_smoothed_targets():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(5, 4)), jnp.float32)
    labels = np.array([0, 1, 2, 3, 0])
    smooth = optax.smooth_labels(np.eye(4)[labels], 0.3)
    expected = optax.softmax_cross_entropy(logits, smooth)
    np.testing.assert_allclose(
        train.cross_entropy(logits, jnp.asarray(labels), smoothing=0.3), expected, rtol=1e-5
    )
