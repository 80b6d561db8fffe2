"""Graceful stop: the first Ctrl-C or SIGTERM requests it, the second Ctrl-C interrupts at once."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# signals received in the open blocks, the innermost block last
_open: list[list[int]] = []


@contextmanager
def stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Handle SIGINT and SIGTERM in a block; the previous handlers are restored at its end.

    Signals of an inner block are passed on to the outer block when the inner block ends.

    Yields
    ------
    callable
        Returns whether a signal was received. A second SIGINT raises KeyboardInterrupt.
    """
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)

    # only the main thread may set handlers; callers in other threads stop their runs themselves
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    _open.append(received)
    try:
        yield lambda: bool(received)
    finally:
        _open.pop()
        for number, handler in before.items():
            signal.signal(number, handler)
        if _open:
            _open[-1].extend(received)
