import threading

import pytest

from pipeline.inference.ahead import DEPTH, ahead


def test_results_come_in_order():
    assert list(ahead(lambda n: n * n, range(20))) == [n * n for n in range(20)]
    assert list(ahead(abs, [])) == []


def test_the_next_items_are_done_before_they_are_requested_and_no_more():
    done, enough = [], threading.Event()

    def work(number):
        done.append(number)
        if len(done) == DEPTH + 1:
            enough.set()

    results = ahead(work, range(100))
    next(results)
    assert enough.wait(60)  # without another look at `results`
    assert done == list(range(DEPTH + 1))


def test_items_come_from_the_caller_and_work_goes_to_a_thread():
    seen = []

    def items():
        seen.append(threading.current_thread())
        yield 1

    [worker] = ahead(lambda _: threading.current_thread(), items())
    assert seen == [threading.main_thread()] and worker is not threading.main_thread()


def test_an_error_comes_in_its_place_and_drops_waiting_items():
    done, threads = [], threading.active_count()

    def work(number):
        if number == 3:
            raise ValueError("three")
        done.append(number)
        return number

    results = ahead(work, range(100))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(done) <= 3 + DEPTH and threading.active_count() == threads


def test_an_error_of_the_caller_ends_the_thread():
    threads = threading.active_count()

    def items():
        yield from range(5)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(ahead(abs, items()))
    assert threading.active_count() == threads
