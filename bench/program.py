"""The program itself: how long its help takes, and how much memory it holds doing nothing."""

from __future__ import annotations

import subprocess
import sys
import time

from bench import figures, product
from bench.processes import ROOT, BenchError, run
from bench.rounds import Result, Sample, single
from bench.workshop import Workshop

_HELP = [sys.executable, "-m", "gateway", "--help"]


def cli_help(shop: Workshop) -> Result:
    """`cli_help_s`: nine runs at least, after one that fills the page cache and writes the byte code."""
    run(_HELP)

    def once() -> Sample:
        started = time.perf_counter()
        done = subprocess.run(_HELP, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode != 0 or b"serve" not in done.stdout:
            raise BenchError("the help text does not speak of serve")
        return Sample(seconds)

    return single(figures.CLI_HELP, once, max(9, shop.rounds))


def idle_memory(shop: Workshop) -> Result:
    """`idle_rss_mb`: a new process each round."""

    def once() -> Sample:
        url = shop.database("sqlite")
        with shop.children.group() as children:
            folder = shop.fresh_folder("idle")
            gateway = product.start(children, folder, url, name="idle", duties=product.ALL)
            time.sleep(3)
            gateway.child.check()
            return Sample(gateway.child.resident_mb())

    return single(figures.IDLE_RSS, once, min(3, shop.rounds))
