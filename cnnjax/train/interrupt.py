"""Ctrl-C and SIGTERM as a request that the loop can answer when its state is whole."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def requested() -> Iterator[Callable[[], int | None]]:
    """Within the block, the first SIGINT or SIGTERM is noted and nothing else happens.

    A second one acts as it would have without us, for a person who will not wait. So does the first
    when the block ends as if it had not come.

    Yields:
      A function that gives the number of the signal that came, or None.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread may set handlers
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: object) -> None:
        came.append(number)
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: came[0] if came else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
