"""Groups: members together and alone, on one device and two, stopped and resumed, diverged."""

import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from cnnjax import train
from cnnjax.errors import UserError
from cnnjax.train import layout, loop

STEPS = 12


def noisy(key, images, labels, strength):
    return images + strength * jax.random.normal(key, images.shape)


def trained(hypers, *, members_layout="auto", **options):
    recipe = toy.recipe(STEPS, augment=noisy)
    prepared = train.prepare(recipe, hypers, toy.examples(), members_layout=members_layout)
    return train.train(prepared, STEPS, **options)


def weights(result):
    return np.asarray(result.states.variables["params"]["w"])


@pytest.mark.parametrize("members_layout", ["map", "vmap"])
@pytest.mark.parametrize("members", [3, 4])  # 3 stay on one device, 4 are divided among two
def test_a_member_is_the_same_in_a_group_as_alone(members_layout, members):
    hypers = toy.hypers(members, learning_rate=np.linspace(0.1, 0.6, members), augment_strength=0.1)
    together = weights(trained(hypers, members_layout=members_layout))
    alone = jax.tree.map(lambda leaf: leaf[-1:], hypers)
    np.testing.assert_allclose(weights(trained(alone))[0], together[-1], atol=1e-6)
    assert len({each.tobytes() for each in together}) == members


def test_members_are_divided_among_the_devices():
    assert layout.member_mesh(4).size == 2
    assert layout.member_mesh(3).size == 1
    stacked, shared = layout.place(jnp.zeros((4, 2)), jnp.zeros(3), 4)
    assert len(stacked.sharding.device_set) == len(shared.sharding.device_set) == 2


def test_the_same_launch_twice_gives_the_same_bits():
    hypers = toy.hypers(2, augment_strength=0.1)
    assert np.array_equal(weights(trained(hypers)), weights(trained(hypers)))


def test_training_learns():
    accuracies = []
    report = lambda progress: accuracies.append(float(progress.accuracy[0]))  # noqa: E731
    prepared = train.prepare(toy.recipe(200), toy.hypers(), toy.examples())
    train.train(prepared, 200, report=report)
    assert accuracies[-1] > 0.9 > accuracies[0]


def test_what_a_call_takes_by_itself_is_a_tenth_of_it_at_most(monkeypatch):
    """Two seconds a call and a hundredth for each update: a call of a second would do nothing."""
    clock, calls = [0.0], []

    def program(states, hypers, examples, length):
        clock[0] += 2.0 + 0.01 * int(length)
        calls.append(int(length))
        return states, np.zeros((1, 2))

    monkeypatch.setattr(loop.time, "monotonic", lambda: clock[0])
    prepared = train.prepare(toy.recipe(10), toy.hypers(), toy.examples())._replace(program=program)
    train.train(prepared, 100_000)
    assert sum(calls) == 100_000
    assert clock[0] - sum(calls) * 0.01 < 0.12 * clock[0]
    assert max(calls) * 0.01 < 20.0, "but progress is shown now and then"


def test_a_diverged_member_is_flagged_and_leaves_the_others_alone():
    rates = np.array([0.5, 3e38, 0.5])
    result = trained(toy.hypers(3, seed=[0, 1, 0], learning_rate=rates))
    assert np.asarray(result.states.finite).tolist() == [True, False, True]
    healthy = trained(toy.hypers(1))
    np.testing.assert_array_equal(weights(result)[0], weights(healthy)[0])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_resumes_with_the_same_bits(tmp_path, number):
    hypers = toy.hypers(2, augment_strength=0.1)
    whole = trained(hypers)

    def stop(progress):
        if progress.step < STEPS:
            os.kill(os.getpid(), number)

    checkpoints = train.Checkpoints(tmp_path / "group")
    with pytest.raises(SystemExit) as stopped:
        trained(hypers, checkpoints=checkpoints, report=stop)
    assert stopped.value.code == 128 + number
    assert 0 < checkpoints.step < STEPS
    checkpoints.close()

    steps = []
    checkpoints = train.Checkpoints(tmp_path / "group")
    resumed = trained(hypers, checkpoints=checkpoints, report=lambda each: steps.append(each.step))
    checkpoints.close()
    assert steps[0] > 1
    jax.tree.map(np.testing.assert_array_equal, whole.states, resumed.states)


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, None), (1e9, [STEPS])])
def test_a_checkpoint_is_written_as_often_as_is_asked_for(tmp_path, seconds, expected):
    class Counting(train.Checkpoints):
        def save(self, step, tree):
            saved.append(step)
            super().save(step, tree)

    saved, reported = [], []
    checkpoints = Counting(tmp_path / "group")
    trained(
        toy.hypers(1),
        checkpoints=checkpoints,
        checkpoint_seconds=seconds,
        report=lambda progress: reported.append(progress.step),
    )
    checkpoints.close()
    assert len(reported) > 1
    assert saved == (expected or reported)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_last_save_is_not_lost(tmp_path, number):
    class Slow(train.Checkpoints):
        def save(self, step, tree):
            os.kill(os.getpid(), number)
            super().save(step, tree)
            came.append(f"saved {step}")

    came = []
    before = signal.signal(number, lambda number, _: came.append(number))
    checkpoints = Slow(tmp_path / "group")
    try:
        trained(toy.hypers(1), checkpoints=checkpoints, checkpoint_seconds=1e9)
    finally:
        signal.signal(number, before)
        checkpoints.close()
    assert came == [f"saved {STEPS}", number]


def test_a_finished_group_is_not_trained_again(tmp_path):
    hypers, checkpoints = toy.hypers(1), train.Checkpoints(tmp_path / "group")
    first = trained(hypers, checkpoints=checkpoints)
    again = trained(hypers, checkpoints=checkpoints, report=lambda _: pytest.fail("trained again"))
    checkpoints.close()
    jax.tree.map(np.testing.assert_array_equal, first.states, again.states)
    assert again.seconds == first.seconds


def test_a_killed_save_leaves_the_checkpoint_before(tmp_path):
    checkpoints = train.Checkpoints(tmp_path / "group")
    checkpoints.save(3, {"value": np.arange(4.0)})
    checkpoints.close()
    # What is left behind when it is killed before the sums are written, or while it removes.
    left = tmp_path / "group" / "unfinished" / "state"
    shutil.copytree(tmp_path / "group" / "3" / "state", left)
    (tmp_path / "group" / "2").mkdir()
    checkpoints = train.Checkpoints(tmp_path / "group")
    for step in (3, 7):
        checkpoints.save(step, {"value": np.arange(4.0) + step - 3})
        assert checkpoints.step == step
        np.testing.assert_array_equal(
            checkpoints.restore({"value": np.zeros(4)})["value"], np.arange(4.0) + step - 3
        )
    checkpoints.close()
    assert [path.name for path in (tmp_path / "group").iterdir()] == ["7"]


@pytest.mark.parametrize("damage", ["cut", "lose"])
@pytest.mark.parametrize(
    "file", ["sums.json", "state/_METADATA", "state/manifest.ocdbt", "a piece of an array"]
)
def test_a_damaged_checkpoint_is_one_clear_error(tmp_path, damage, file):
    checkpoints = train.Checkpoints(tmp_path / "group")
    checkpoints.save(3, {"value": np.random.default_rng(0).random(10_000)})
    checkpoints.close()
    path = tmp_path / "group" / "3" / file
    if file == "a piece of an array":
        path = max(path.parent.rglob("d/*"), key=lambda each: each.stat().st_size)
        file = path.relative_to(tmp_path / "group" / "3").as_posix()
        assert path.stat().st_size > 40_000
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: -max(9, path.stat().st_size // 2)])
    else:
        path.unlink()
    checkpoints = train.Checkpoints(tmp_path / "group")
    told = rf"^{tmp_path}/group/3: the checkpoint cannot be read .*; delete it to train this group"
    with pytest.raises(UserError, match=told) as error:
        checkpoints.restore({"value": np.zeros(10_000)})
    if (file, damage) != ("sums.json", "cut"):
        words = "missing" if damage == "lose" else "not what was written"
        assert f"({file} is {words})" in str(error.value)
    checkpoints.close()


def test_a_number_that_the_disk_changed_is_noticed(tmp_path):
    like = {"value": np.random.default_rng(0).random((10, 1000)), "seconds": np.zeros(())}
    checkpoints = train.Checkpoints(tmp_path / "group")
    checkpoints.save(3, like)
    checkpoints.close()
    path = max(tmp_path.rglob("d/*"), key=lambda each: each.stat().st_size)
    whole = path.read_bytes()
    for place in (len(whole) // 3, len(whole) // 2):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        checkpoints = train.Checkpoints(tmp_path / "group")
        with pytest.raises(UserError, match="the checkpoint cannot be read"):
            checkpoints.restore(like)
        checkpoints.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_checkpoints_a_signal_stops_the_training_too(number):
    steps = []

    def stop(progress):
        steps.append(progress.step)
        os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as stopped:
        trained(toy.hypers(1), report=stop)
    assert stopped.value.code == 128 + number
    assert steps == [1]


def test_a_checkpoint_of_two_devices_is_read_where_there_is_one(tmp_path):
    result = trained(toy.hypers(2), checkpoints=train.Checkpoints(tmp_path / "group"))
    assert len(result.states.step.sharding.device_set) == 2
    path = tmp_path / "weights.npy"
    code = (
        "import pathlib, numpy as np, toy, jax; from cnnjax import train; "
        "from cnnjax.train import loop; assert jax.device_count() == 1; "
        f"checkpoints = train.Checkpoints(pathlib.Path({str(tmp_path)!r}) / 'group'); "
        "first = loop.initial(toy.recipe(12), toy.hypers(2), toy.examples().images); "
        "states = jax.device_put(first); "
        "kept = checkpoints.restore({'states': states, 'seconds': np.zeros(())}); "
        f"np.save({str(path)!r}, kept['states'].variables['params']['w'])"
    )
    environment = os.environ | {"XLA_FLAGS": "", "PYTHONPATH": str(pathlib.Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    np.testing.assert_array_equal(np.load(path), weights(result))


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_an_error_of_the_system(tmp_path):
    checkpoints = train.Checkpoints(tmp_path / "group")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            checkpoints.save(3, {"value": np.random.default_rng(0).random(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    checkpoints.close()


def test_a_checkpoint_of_another_structure_is_one_clear_error(tmp_path):
    checkpoints = train.Checkpoints(tmp_path / "group")
    checkpoints.save(3, {"value": np.arange(4.0)})
    with pytest.raises(UserError, match=r"the checkpoint cannot be read .*'other'"):
        checkpoints.restore({"other": np.zeros(4)})
    checkpoints.close()


def test_an_unknown_layout_is_named():
    with pytest.raises(UserError, match="layout='vmp': did you mean 'vmap'"):
        layout.resolve("vmp")
