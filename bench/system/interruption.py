"""Stopping politely: the first Ctrl-C or SIGTERM asks, the second Ctrl-C insists."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# what has come in the blocks that are open, the innermost last
_open: list[list[int]] = []


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Turn SIGINT and SIGTERM into an answer; the former handlers come back at the end.

    A signal that comes in an inner block is one for the outer block, too, once the inner one has ended.

    Yields
    ------
    callable
        Whether a signal has come. A second SIGINT raises KeyboardInterrupt.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    # only the main thread may set handlers; a caller in another one stops its runs itself
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    _open.append(came)
    try:
        yield lambda: bool(came)
    finally:
        _open.pop()
        for number, handler in before.items():
            signal.signal(number, handler)
        if _open:
            _open[-1].extend(came)
