"""How fast the training step is, as ratios to the code that one would otherwise write.

    python experiments/speed.py

Three to seven minutes on two CPU cores, as their pace is. Every pair is timed in turn, A B A B …,
after a warm-up; the ratio is the median over the rounds, with the lowest and the highest beside it.
Above 1 we are faster. torch and kornia, where they are installed (`pip install -c constraints.txt
-e '.[bench]'`), are timed in processes of their own, for their threads disturb jax's, and so are we
against them: each library with the memory that it keeps for itself.

Launches tell theirs to keep what is freed (`platform.configure`). In one process that would help
the other side as well, which would not have it by itself, so that everything against stock Flax and
lax is timed without; `--keep_memory` shows what is left of the ratios then.

Two parts are about distortions: how much longer a step of a plain network of eight convolutions
takes with a policy than without (the target is 1.15), and how long a policy of twenty operations
takes to compile (20 seconds) and that another strength compiles nothing. How fast the operations
themselves are is told by `experiments/augment_speed.py`. What was measured stands in the README.
"""

import functools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import app, flags

from cnnjax import platform
from cnnjax.timing import in_turn, repeated, seconds

_ROUNDS = flags.DEFINE_integer("rounds", 5, "Timed rounds of every pair.", lower_bound=1)
_ALONE = flags.DEFINE_enum(
    "alone", None, ["cnnjax", "torch", "kornia"], "Time only this library, print JSON."
)
_KEEP_MEMORY = flags.DEFINE_bool("keep_memory", False, "Set the allocator, for both sides.")

BATCHES = (128, 512)
EPOCH_STEPS = 40
PLAIN_STEPS = 2
IMAGES = 8192
DIGIT, COLOUR = (28, 28, 1), (32, 32, 3)


def show(what: str, against: str, ratios: list[float], target: float | None = None) -> None:
    """Prints one line of the table."""
    goal = "" if target is None else f"target {target:4.2f}"
    print(
        f"{what:58s} {against:26s} {statistics.median(ratios):6.2f}× "
        f"({min(ratios):.2f}–{max(ratios):.2f})  {goal}",
        flush=True,
    )


def stock_steps(batch: int):
    """LeNet-5 on stock Flax, written the same way: an epoch in a loop, a step, the state."""
    import jax
    import jax.numpy as jnp
    import optax
    from flax import linen as nn

    class LeNet(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.max_pool(nn.relu(nn.Conv(6, (5, 5), padding="SAME")(x)), (2, 2), (2, 2))
            x = nn.max_pool(nn.relu(nn.Conv(16, (5, 5), padding="VALID")(x)), (2, 2), (2, 2))
            x = x.reshape(len(x), -1)
            x = nn.relu(nn.Dense(84)(nn.relu(nn.Dense(120)(x))))
            return nn.Dense(10)(x)

    model, optimizer = LeNet(), optax.adamw(1e-3)
    params = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))

    def loss(params, images, labels):
        logits = model.apply(params, images.astype(jnp.float32) / 255)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    @jax.jit
    def step(state, images, labels, indices):
        params, moments = state
        gradient = jax.grad(loss)(params, images[indices], labels[indices])
        change, moments = optimizer.update(gradient, moments, params)
        return optax.apply_updates(params, change), moments

    @functools.partial(jax.jit, static_argnums=4)
    def epoch(state, key, images, labels, length):
        order = jax.random.permutation(key, len(images))[: length * batch].reshape(length, batch)
        update = lambda state, indices: (step(state, images, labels, indices), None)  # noqa: E731
        return jax.lax.scan(update, state, order)[0]

    return epoch, step, (params, optimizer.init(params))


def our_recipe(batch: int, members: int = 1, model="lenet5_modern", shape=DIGIT, augment=None):
    """The project's own network: what its training steps share, states and numbers."""
    import jax
    import numpy as np

    from cnnjax import config as configs
    from cnnjax import models, train
    from cnnjax.train import door, optimizer

    config = configs.default()
    recipe = train.Recipe(
        network=models.seam(models.build(model)),
        door=door.Door(lambda images: images, 0.0, 1.0),
        augment=augment,
        optimizer=functools.partial(optimizer.build, config.optimizer, 10_000),
        batch_size=batch,
        num_classes=10,
    )
    ones = np.ones(members, np.float32)
    hypers = train.Hyper(
        seed=np.arange(members, dtype=np.int32),
        learning_rate=1e-3 * ones,
        weight_decay=1e-4 * ones,
        label_smoothing=0 * ones,
        augment_strength=ones,
        train_size=np.full(members, IMAGES, np.int32),
        label_noise=0 * ones,
    )
    states = train.initial(recipe, hypers, pictures(shape)[0])
    return recipe, jax.device_put(states), hypers


def our_steps(batch: int, members: int = 1, model="lenet5_modern", shape=DIGIT, augment=None):
    """The project's own training program: `program(states, hypers, examples, length)`."""
    import jax

    from cnnjax import train
    from cnnjax.train import layout

    recipe, states, hypers = our_recipe(batch, members, model, shape, augment)
    one_member = lambda member, shared: train.train_steps(recipe, *member, *shared)  # noqa: E731
    mapped = layout.over_members(one_member, "auto", members)
    program = jax.jit(lambda states, hypers, *shared: mapped((states, hypers), shared))
    return program, states, hypers, train.Examples(*pictures(shape))


@functools.cache
def pictures(shape):
    """Made-up images: speed does not depend on what they show."""
    import jax.numpy as jnp
    import numpy as np

    draws = np.random.default_rng(0)
    images = jnp.asarray(draws.integers(0, 256, (IMAGES, *shape), np.uint8))
    return images, jnp.asarray(draws.integers(0, 10, IMAGES), jnp.int32)


def against_flax(rounds: int) -> None:
    """LeNet-5: whole epochs in one program, and single steps."""
    import jax

    from cnnjax import train

    images, labels = pictures(DIGIT)
    program, states, hypers, examples = our_steps(BATCHES[0])
    epoch, _, state = stock_steps(BATCHES[0])
    ours = functools.partial(program, states, hypers, examples, EPOCH_STEPS)
    theirs = functools.partial(epoch, state, jax.random.key(0), images, labels, EPOCH_STEPS)
    ratios = in_turn(ours, theirs, rounds)
    show(f"LeNet-5 epoch in a loop, batch {BATCHES[0]}", "stock Flax", ratios, 5.0)

    for batch, target in zip(BATCHES, (1.5, 2.5), strict=True):
        recipe, states, hypers = our_recipe(batch)
        one = jax.tree.map(lambda leaf: leaf[0], (states, hypers))
        update = jax.jit(
            lambda state, hyper, images, labels, indices, recipe=recipe: train.update(
                recipe, state, hyper, images[indices], labels[indices]
            )[0]
        )
        _, step, state = stock_steps(batch)
        indices = jax.random.permutation(jax.random.key(0), len(images))[:batch]
        ours = functools.partial(update, *one, images, labels, indices)
        theirs = functools.partial(step, state, images, labels, indices)
        ratios = in_turn(repeated(ours, 20), repeated(theirs, 20), rounds)
        show(f"LeNet-5 one step, batch {batch}", "stock Flax", ratios, target)


def pooling(rounds: int) -> None:
    """Max-pooling forward and backward, 28×28×32, batch 128; windows overlap or do not."""
    import jax
    from flax import linen as nn

    from cnnjax import ops

    x = jax.random.normal(jax.random.key(0), (128, 28, 28, 32))
    for window, stride, target in ((2, 2, 5.0), (3, 2, None), (2, 1, None)):
        ours = functools.partial(ops.max_pool, window=window, stride=stride)
        theirs = lambda x, w=window, s=stride: nn.max_pool(x, (w, w), (s, s))  # noqa: E731
        ratios = in_turn(gradient_of(ours, x), gradient_of(theirs, x), rounds)
        what = f"max-pool {window}×{window}, stride {stride}, forward and backward"
        show(what, "stock Flax", ratios, target)


def gradient_of(function, *arguments):
    """A call that works out the function and its gradient in all its arguments."""
    import jax

    # The weights keep the compiler from seeing through a constant cotangent.
    shape = jax.eval_shape(function, *arguments).shape
    weights = jax.random.normal(jax.random.key(1), shape)
    loss = lambda *arguments: (function(*arguments) * weights).sum()  # noqa: E731
    both = jax.jit(jax.value_and_grad(loss, tuple(range(len(arguments)))))
    return lambda: both(*arguments)


def convolutions(rounds: int) -> None:
    """3×3 convolutions forward and backward, 32×32 pixels, batch 128."""
    import jax
    from jax import lax

    from cnnjax import ops

    x = jax.random.normal(jax.random.key(0), (128, 32, 32, 64))
    for groups, name in ((1, "64 channels"), (2, "64 channels in 2 groups"), (64, "depthwise, 64")):
        kernel = jax.random.normal(jax.random.key(2), (3, 3, 64 // groups, 64))
        ours = functools.partial(ops.cross_correlate, padding="SAME", groups=groups)
        theirs = functools.partial(
            lax.conv_general_dilated,
            window_strides=(1, 1),
            padding="SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        calls = (gradient_of(each, x, kernel) for each in (ours, theirs))
        ratios = in_turn(*calls, min(rounds, 3))
        show(f"convolution, {name}, forward and backward", "stock lax", ratios)


def members(rounds: int) -> None:
    """Four members in one program against four programs one after another."""
    together, states, hypers, examples = our_steps(128, members=4)
    alone, state, hyper, _ = our_steps(128)
    ours = lambda: together(states, hypers, examples, EPOCH_STEPS)  # noqa: E731
    theirs = lambda: [alone(state, hyper, examples, EPOCH_STEPS) for _ in range(4)]  # noqa: E731
    show("four members in one program", "one after another", in_turn(ours, theirs, rounds), 0.95)


def policy_cost(rounds: int) -> None:
    """A step of a plain convolutional network with crop, flip, affine and colour, and without."""
    from cnnjax import augment

    moves = (
        functools.partial(augment.draw_crop, padding=4),
        augment.draw_horizontal_flip,
        augment.draw_rotate,
        augment.draw_shear_x,
        augment.draw_scale,
    )
    policy = augment.Sequence(
        (
            functools.partial(augment.move, draws=moves, border="reflect"),
            *(augment.brighten, augment.contrast, augment.saturation),
        )
    )
    calls = []
    for distort in (None, policy):
        steps, states, hypers, examples = our_steps(128, 1, "plain8", COLOUR, distort)
        calls.append(functools.partial(steps, states, hypers, examples, PLAIN_STEPS))
    show("step with a policy, 8 convolutions, batch 128", "without (time)", in_turn(*calls, rounds))


def twenty_operations(rounds: int) -> None:
    """How long training LeNet-5 with twenty operations takes to compile, and how often it does."""
    import numpy as np

    from cnnjax import augment

    moves = (
        *(augment.draw_rotate, augment.draw_shear_x, augment.draw_shear_y, augment.draw_scale),
        *(augment.draw_translate_x, augment.draw_translate_y),
        *(augment.draw_perspective, augment.draw_elastic),
    )
    others = (
        *(augment.brighten, augment.contrast, augment.gamma_contrast, augment.sharpen),
        *(augment.invert, augment.posterise, augment.solarise, augment.gaussian_blur),
        *(augment.additive_gaussian_noise, augment.salt, augment.coarse_salt, augment.cutout),
    )
    policy = augment.Sequence((functools.partial(augment.move, draws=moves), *others))
    traces = []

    def counted(*arguments):
        traces.append(None)
        return policy(*arguments)

    for distort in (None, counted):
        steps, states, hypers, examples = our_steps(128, augment=distort)
        computed = time.process_time()
        first = seconds(lambda: steps(states, hypers, examples, 0))  # noqa: B023
        computed = time.process_time() - computed
        what = "no" if distort is None else f"{len(moves) + len(others)}"
        # On a shared machine the processor's time is what a quiet one would take, at most.
        print(f"LeNet-5 with {what} operations: compiled in {first:.1f} s, {computed:.1f} s of CPU")
    before = len(traces)
    for strength in (0.1, 2.0):
        weaker = hypers._replace(augment_strength=np.full(1, strength, np.float32))
        seconds(lambda: steps(states, weaker, examples, 1))  # noqa: B023
    print(f"traced again for two other strengths: {len(traces) - before} times")


def against_peers(rounds: int) -> None:
    """The composed affine resample against kornia's, LeNet-5 against torch's."""
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        told = {
            who: json.loads(
                subprocess.run(
                    [sys.executable, __file__, f"--alone={who}"],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for who in TIMED_ALONE
        }
        ours = {case: rate for case, rate in told.pop("cnnjax").values()}
        for peer, figures in told.items():
            for name, (case, rate) in figures.items():
                found.setdefault((case, f"{peer} {name}".strip()), []).append(ours[case] / rate)
    for (case, peer), ratios in found.items():
        what = "affine resample, 1,024 images" if case == "affine" else f"LeNet-5 epoch, {case}"
        show(what, peer, ratios, 2.0 if peer.startswith("kornia") else None)
    if not found:
        install = "pip install -c constraints.txt -e '.[bench]'"
        print(f"torch and kornia are not installed: {install}")


def time_ours() -> dict[str, tuple[str, float]]:
    """Images a second of our affine policy and of LeNet-5, as launches run them."""
    import jax
    import jax.numpy as jnp

    from cnnjax import augment

    policy = augment.build("affine")
    images, key = jax.random.uniform(jax.random.key(0), (1024, 28, 28, 1)), jax.random.key(1)
    warp = jax.jit(lambda key, images: policy(key, images, jnp.zeros(1024, jnp.int32), 1.0))

    def warps():  # one after another, as kornia's come
        for _ in range(50):
            jax.block_until_ready(warp(key, images))

    work = {"affine": (warps, 50 * 1024)}
    for batch in BATCHES:
        program, states, hypers, examples = our_steps(batch)
        call = functools.partial(program, states, hypers, examples, EPOCH_STEPS)
        work[f"batch {batch}"] = (call, EPOCH_STEPS * batch)
    told = {}
    for case, (call, count) in work.items():
        seconds(call)
        told[case] = (case, count / seconds(call))
    return told


def time_torch() -> dict[str, tuple[str, float]]:
    """Images a second of LeNet-5 in eager torch, both memory formats."""
    import torch
    from torch import nn

    told = {}
    draws = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=draws)
    labels = torch.randint(0, 10, (IMAGES,), generator=draws)
    for layout in (torch.contiguous_format, torch.channels_last):
        for batch in BATCHES:
            model = nn.Sequential(
                *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
                *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
            ).to(memory_format=layout)
            optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

            def epoch(model=model, optimizer=optimizer, batch=batch, layout=layout):
                order = torch.randperm(IMAGES)
                for start in range(0, EPOCH_STEPS * batch, batch):
                    chosen = order[torch.arange(start, start + batch) % IMAGES]
                    inputs = (images[chosen].float() / 255).contiguous(memory_format=layout)
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(model(inputs), labels[chosen]).backward()
                    optimizer.step()

            epoch()
            start = time.perf_counter()
            epoch()
            rate = EPOCH_STEPS * batch / (time.perf_counter() - start)
            name = "channels-last" if layout is torch.channels_last else "channels-first"
            told[f"{name}, batch {batch}"] = (f"batch {batch}", rate)
    return told


def time_kornia() -> dict[str, tuple[str, float]]:
    """Images a second of kornia's random affine."""
    import torch
    from kornia.augmentation import RandomAffine

    policy = RandomAffine(7.5, (0.04, 0.04), (0.925, 1.075), 5.7, p=1.0)
    images = torch.rand(1024, 1, 28, 28)
    for rounds in (5, 50):
        start = time.perf_counter()
        for _ in range(rounds):
            policy(images)
        rate = rounds * 1024 / (time.perf_counter() - start)
    return {"": ("affine", rate)}


TIMED_ALONE = {"cnnjax": time_ours, "torch": time_torch, "kornia": time_kornia}


def main(_: list[str]) -> None:
    """Prints the table, or the figures of one library by itself."""
    if _ALONE.value:
        platform.configure()
        try:
            told = TIMED_ALONE[_ALONE.value]()
        except ModuleNotFoundError:
            told = {}
        print(json.dumps(told))
        return
    os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"  # compilation is timed, too
    platform.configure(keep_memory=_KEEP_MEMORY.value)
    print(f"{'what':58s} {'against':26s} {'ratio':>7s} (lowest–highest)")
    for part in (
        *(against_flax, pooling, convolutions, members),
        *(policy_cost, twenty_operations, against_peers),
    ):
        part(_ROUNDS.value)


if __name__ == "__main__":
    app.run(main)
