"""A few threads that stop together, within a second, and are held back where they must be."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from cipherbucket.workers.threads import Halt, StoppedError, run, usual_workers


def test_every_task_is_done_once() -> None:
    done: list[int] = []
    run(range(1000), done.append, workers=8, halt=Halt())
    assert sorted(done) == [*range(1000)]


def test_one_worker_keeps_the_order_and_none_of_the_callers_thread_works() -> None:
    done: list[int] = []
    threads: set[threading.Thread] = set()

    def work(task: int) -> None:
        done.append(task)
        threads.add(threading.current_thread())

    run(range(50), work, workers=1, halt=Halt())
    assert done == [*range(50)]
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_no_tasks_are_done_at_once() -> None:
    run([], pytest.fail, workers=4, halt=Halt())


def test_so_many_work_at_once_and_no_more() -> None:
    together = threading.Barrier(3)
    at_work, most, lock = [0], [0], threading.Lock()

    def work(_: int) -> None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        together.wait(10)
        with lock:
            at_work[0] -= 1

    run(range(6), work, workers=3, halt=Halt())
    assert most == [3]


def test_tasks_are_drawn_as_they_are_needed() -> None:
    drawn: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(1000):
            drawn.append(number)
            yield number

    def work(task: int) -> None:
        if task == 10:
            raise ValueError(task)
        time.sleep(0.001)

    with pytest.raises(ValueError, match="10"):
        run(tasks(), work, workers=2, halt=Halt())
    assert len(drawn) < 1000


def test_the_first_error_stops_the_others_and_is_raised() -> None:
    halt = Halt()
    stopped: list[int] = []

    def work(task: int) -> None:
        if task == 3:
            raise ValueError("the first")
        try:
            while True:
                halt.passed(0)
                time.sleep(0.001)
        except StoppedError:
            stopped.append(task)
            raise

    with pytest.raises(ValueError, match="the first"):
        run(range(100), work, workers=4, halt=halt)
    assert sorted(stopped) == [0, 1, 2]


def test_an_error_of_what_draws_the_tasks_is_raised() -> None:
    def tasks() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError):
        run(tasks(), lambda _: None, workers=2, halt=Halt())


def test_an_error_of_the_tick_stops_all() -> None:
    halt = Halt()

    def work(_: int) -> None:
        while True:
            halt.passed(0)
            time.sleep(0.001)

    def tick() -> None:
        raise RuntimeError("the caller's own")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="the caller's own"):
        run(range(9), work, workers=3, halt=halt, tick=tick)
    assert threading.active_count() == before


def test_a_thread_that_cannot_be_started_stops_those_that_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    halt, start = Halt(), threading.Thread.start
    started: list[threading.Thread] = []

    def few(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    def work(_: int) -> None:
        while True:
            halt.passed(0)
            time.sleep(0.001)

    monkeypatch.setattr(threading.Thread, "start", few)
    with pytest.raises(RuntimeError, match="can't start"):
        run(range(9), work, workers=3, halt=halt)
    assert not any(thread.is_alive() for thread in started)


def test_an_interrupt_while_a_thread_is_started_knows_of_that_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    halt, free, begun = Halt(), threading.Event(), threading.Event()
    start = threading.Thread.start

    def work(_: int) -> None:
        begun.set()
        free.wait(10)

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        begun.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(range(9), work, workers=3, halt=halt, grace=0.01)
    assert halt.left_behind
    free.set()


@pytest.mark.parametrize("heeding", [True, False])
def test_an_interrupt_is_heard_within_a_second(*, heeding: bool) -> None:
    halt, free, begun = Halt(), threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        while not free.wait(0.01):
            if heeding:
                halt.passed(0)

    def interrupt() -> None:
        begun.wait(10)
        told.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    told: list[float] = []
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run(range(9), work, workers=3, halt=halt)
    assert time.monotonic() - told[0] < 3  # a second, and what a busy machine adds
    assert halt.left_behind is not heeding
    free.set()
    with pytest.raises(StoppedError):
        halt.passed(1)


def test_ticks_come_in_the_callers_thread_while_it_waits() -> None:
    ticks: list[threading.Thread] = []
    run([0.35], time.sleep, workers=1, halt=Halt(), tick=lambda: ticks.append(_here()))
    assert len(ticks) >= 2
    assert set(ticks) == {_here()}


def _here() -> threading.Thread:
    return threading.current_thread()


def test_a_rate_holds_back_all_threads_together() -> None:
    halt = Halt(100_000)
    began = time.monotonic()
    run(range(10), lambda _: halt.passed(5_000), workers=5, halt=halt)
    assert 0.4 < time.monotonic() - began < 10
    assert halt.done == 50_000


def test_without_a_rate_and_for_what_is_skipped_nobody_waits() -> None:
    began = time.monotonic()
    Halt().passed(1 << 50)
    slow = Halt(1)
    slow.skipped(1 << 50)
    slow.passed(0)
    slow.passed(-5)
    assert time.monotonic() - began < 5


def test_what_waits_for_the_rate_can_be_stopped() -> None:
    halt = Halt(1)
    threading.Timer(0.05, halt.set).start()
    with pytest.raises(StoppedError):
        halt.passed(1000)


def test_a_part_stops_with_the_whole_which_it_does_not_stop() -> None:
    whole = Halt()
    part = Halt(above=whole)
    part.set()
    with pytest.raises(StoppedError):
        part.passed(1)
    whole.passed(1)
    part = Halt(above=whole)
    whole.set()
    with pytest.raises(StoppedError):
        part.passed(1)


def test_what_is_done_never_grows_less() -> None:
    halt = Halt()
    halt.passed(10)
    halt.skipped(-10)
    assert halt.done == 10
    halt.passed(10)
    assert halt.done == 10
    halt.skipped(5)
    assert halt.done == 15


def test_the_usual_number_of_workers() -> None:
    assert 1 <= usual_workers() <= 4
