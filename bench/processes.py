"""Programs the bench starts: each in its own process, none of them outlives the bench."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
_TICK = os.sysconf("SC_CLK_TCK")
_PR_SET_PDEATHSIG = 1


class BenchError(Exception):
    """A measurement could not be made, or what it measured was wrong; the text says what happened."""


class Child:
    """A running program and the first JSON line it printed, which says that it is ready."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, ready: dict[str, Any]) -> None:
        self.process = process
        self.log = log
        self.ready = ready

    @property
    def port(self) -> int:
        """The port the program said it listens on."""
        return int(self.ready["port"])

    def cpu_seconds(self) -> float:
        """Processor time used so far, in user and kernel mode, all threads (proc(5), /proc/PID/stat)."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def resident_mb(self) -> float:
        """Resident memory of the program and its children, in units of 10^6 bytes (proc(5), VmRSS)."""
        return sum(_resident_kib(pid) for pid in _family(self.process.pid)) * 1024 / 1e6

    def check(self) -> None:
        """Make sure that it is still running.

        Raises:
            BenchError: it has ended; the text carries the end of its log.
        """
        if self.process.poll() is not None:
            raise BenchError(f"{self.log.stem} ended with status {self.process.returncode}: {tail(self.log)}")

    def stop(self, patience: float = 5.0) -> None:
        """Ask it to end, and end it after `patience` seconds."""
        if self.process.poll() is None:
            _signal_group(self.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        _signal_group(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class Children:
    """All programs started inside a `with` block; leaving it, by whatever way, ends them."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: list[Child] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, argv: Sequence[str], *, announces: bool = True, timeout: float = 20.0) -> Child:
        """Start a program; with `announces`, wait for its first line of JSON.

        Raises:
            BenchError: it ended or said nothing within `timeout` seconds.
        """
        log = self.logs / f"{name}.log"
        with log.open("ab") as errors:
            process = subprocess.Popen(
                argv,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if announces else errors,
                stderr=errors,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call before exec
            )
        child = Child(process, log, {})
        self._running.append(child)
        if announces:
            child.ready = json.loads(_first_line(child, timeout))
        return child

    def module(self, name: str, module: str, *arguments: str) -> Child:
        """Start `python -m MODULE`, which announces itself."""
        return self.start(name, [sys.executable, "-m", module, *arguments])

    def group(self) -> Children:
        """For programs that are to end earlier than the rest: a block of their own."""
        return Children(self.logs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._running):
            child.stop()
        self._running.clear()


def run(argv: Sequence[str], *, given: str = "", timeout: float = 120.0) -> str:
    """Run a program to its end, with `given` as its standard input, and return what it printed.

    Raises:
        BenchError: its exit status was not 0, or it took longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(argv, cwd=ROOT, input=given, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{_named(argv)} took longer than {timeout:.0f} s") from error
    if done.returncode != 0:
        said = _last_lines(done.stderr or done.stdout)
        raise BenchError(f"{_named(argv)} ended with status {done.returncode}: {said}")
    return done.stdout


def run_json(module: str, *arguments: str, timeout: float = 120.0) -> dict[str, Any]:
    """Run `python -m MODULE` to its end and return the JSON object it printed last.

    Raises:
        BenchError: it failed.
    """
    out = run([sys.executable, "-m", module, *arguments], timeout=timeout)
    result: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return result


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address nobody listens on at this moment."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_for(url: str, child: Child, timeout: float = 30.0) -> None:
    """Wait until `url` answers 200.

    Raises:
        BenchError: the program ended, or did not answer so within `timeout` seconds.
    """
    until = time.monotonic() + timeout
    last = "no answer"
    while time.monotonic() < until:
        child.check()
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310 - an address of our own
                if answer.status == 200:
                    return
                last = f"status {answer.status}"
        except HTTPError as error:
            last = f"status {error.code}"
        except (URLError, OSError):
            pass
        time.sleep(0.05)
    raise BenchError(f"{url} was not ready within {timeout:.0f} s ({last}): {tail(child.log)}")


def tail(log: Path) -> str:
    """The last lines of a log on one line."""
    return _last_lines(log.read_text(errors="replace")) if log.exists() else ""


def _first_line(child: Child, timeout: float) -> bytes:
    stdout = child.process.stdout
    assert stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        if not selector.select(timeout):
            raise BenchError(f"{child.log.stem} was not ready within {timeout:.0f} s: {tail(child.log)}")
    line = stdout.readline()
    if not line.startswith(b"{"):
        child.process.wait(5)
        raise BenchError(f"{child.log.stem} did not start: {tail(child.log)}")
    return line


def _named(argv: Sequence[str]) -> str:
    return " ".join(Path(part).name if "/" in part else part for part in argv[:6])


def _last_lines(text: str, count: int = 3) -> str:
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:]) or "it said nothing"


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    # The with block does not run when the bench itself is killed with SIGKILL; the kernel then does it (prctl(2)).
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
