import itertools

import jax
import jax.numpy as jnp
import pytest

from cnnjax import timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what `sleep` adds to it."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def sleep(duration):
        now[0] += duration

    return sleep


def test_seconds_wait_for_arrays_anywhere_in_the_result(clock, monkeypatch):
    waited = []
    monkeypatch.setattr(jax, "block_until_ready", waited.append)
    result = [jnp.ones(3)]
    assert timing.seconds(lambda: clock(2.0) or result) == 2.0
    assert waited[0] is result


def test_pairs_are_timed_in_turn_and_the_warm_up_is_left_out(clock):
    calls = []
    ours, theirs = itertools.chain([100.0], itertools.repeat(2.0)), iter([0.0, 4.0, 6.0, 3.0])
    ratios = timing.in_turn(
        lambda: calls.append("A") or clock(next(ours)),
        lambda: calls.append("B") or clock(next(theirs)),
        3,
    )
    assert ratios == [2.0, 3.0, 1.5]
    assert "".join(calls) == "ABABABAB"


def test_the_rate_counts_as_many_calls_as_fill_the_time(clock):
    assert timing.rate(lambda: clock(0.25), 1.0) == 4.0
    assert timing.rate(lambda: clock(5.0), 1.0) == 0.2


def test_repeated_work_gives_every_result():
    numbers = itertools.count()
    assert timing.repeated(lambda: next(numbers), 3)() == [0, 1, 2]
