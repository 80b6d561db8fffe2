"""Stopping politely."""

import os
import signal

import pytest

from bench.system.interruption import stop_on_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_an_inner_block_stops_the_outer_one_too(number: int) -> None:
    before = signal.getsignal(number)
    with stop_on_signal() as outer:
        with stop_on_signal() as inner:
            os.kill(os.getpid(), number)
            assert inner()
            assert not outer()
        assert outer()
        with stop_on_signal() as next_inner:
            assert not next_inner()
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_insists() -> None:
    with stop_on_signal() as requested:
        os.kill(os.getpid(), signal.SIGINT)
        assert requested()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
