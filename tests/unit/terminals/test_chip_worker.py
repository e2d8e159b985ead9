"""A thread that can be given up."""

import threading

import pytest

from terminals.chip.worker import GivenUp, Worker


@pytest.fixture
def ended():
    return threading.Event()


def test_jobs_are_done_in_one_thread_and_their_errors_are_the_callers(ended):
    worker = Worker("a", ended.set)

    threads = {worker.do(threading.get_ident, 10_000) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    with pytest.raises(ZeroDivisionError):
        worker.do(lambda: 1 // 0, 10_000)
    with pytest.raises(TimeoutError, match="the job's own"):
        worker.do(lambda: (_ for _ in ()).throw(TimeoutError("the job's own")), 10_000)

    worker.end(10_000)
    assert ended.is_set()
    assert not worker.is_alive


def test_a_job_that_hangs_is_given_up_and_its_thread_cleans_up_when_it_can(ended):
    worker, go_on = Worker("a", ended.set), threading.Event()

    with pytest.raises(GivenUp):
        worker.do(go_on.wait, 1)
    assert worker.is_alive
    assert not ended.is_set()

    go_on.set()
    assert ended.wait(10)
