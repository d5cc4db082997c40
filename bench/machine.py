"""What the machine gives at the moment: a guest's processors may be fewer than it counts, and it is not told."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from multiprocessing.queues import SimpleQueue

SECONDS = 1.0


def _work(done: SimpleQueue[int]) -> None:
    end, rounds, number = time.perf_counter() + SECONDS, 0, 0
    while time.perf_counter() < end:
        for each in range(2000):
            number += each
        rounds += 1
    done.put(rounds)


def share_of_two() -> float:
    """How much of what one busy process gets alone each of two gets, from 0.5 (one processor) to 1 (two whole ones).

    A program that keeps two processors busy, as a gateway and its database do, loses that much against a peer that
    keeps one busy.
    """
    context = multiprocessing.get_context("spawn")
    done: SimpleQueue[int] = context.SimpleQueue()

    def run(count: int) -> float:
        processes = [context.Process(target=_work, args=(done,)) for _ in range(count)]
        for process in processes:
            process.start()
        rounds = [done.get() for _ in processes]
        for process in processes:
            process.join()
        return sum(rounds) / count

    return statistics.median(run(2) / run(1) for _ in range(3))
