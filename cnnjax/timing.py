"""Timing work on a machine that other work shares: in turn, and as ratios.

How fast such a machine is changes from one second to the next. What is to be compared is therefore
timed in turn, A B A B …, each round gives a ratio of its own, and the median of the ratios counts.
"""

import time
from collections.abc import Callable

Work = Callable[[], object]


def seconds(work: Work) -> float:
    """How long one call takes until its result is there.

    Args:
      work: A function without arguments.

    Returns:
      Seconds by the wall clock; jax's arrays in the result are waited for.
    """
    import jax  # here, so that a script can set XLA's flags between its imports and jax's

    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


def repeated(work: Work, times: int) -> Work:
    """Work that is too short to be timed alone, several times.

    Args:
      work: A function without arguments.
      times: How often it is called.

    Returns:
      A function that gives the list of all results.

    >>> repeated(lambda: 7, 3)()
    [7, 7, 7]
    """
    return lambda: [work() for _ in range(times)]


def in_turn(ours: Work, theirs: Work, rounds: int) -> list[float]:
    """The ratio theirs / ours of each round, after one warm-up of both.

    Args:
      ours: What is measured.
      theirs: What it is compared with, called right after it in each round.
      rounds: How many.

    Returns:
      The ratios, in order; above 1 `ours` is faster.
    """
    seconds(ours), seconds(theirs)
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    return [theirs / ours for ours, theirs in pairs]


def rate(work: Work, least_seconds: float) -> float:
    """How often a second a call finishes, of as many calls as fill a given time.

    Args:
      work: A function without arguments; warm it up before.
      least_seconds: Calls are begun until so much time has passed; there is at least one.

    Returns:
      Calls a second.
    """
    spent, calls = 0.0, 0
    while calls == 0 or spent < least_seconds:
        spent += seconds(work)
        calls += 1
    return calls / spent
