"""Kill the gateway again and again under load: `python -m bench.crash --kills 300 --seed N --database both`

Real processes, a real disk, every sync made. Clients hand in mail by SMTP, tickets by the API and web forms and keep
a ledger of what they were told; more mail comes into a mailbox that is read by IMAP. The gateway is killed with SIGKILL
at random moments, half of them within some milliseconds after an input was handed over, and started again. On
PostgreSQL every twentieth time the server is killed too. At the end nothing acknowledged may be lost, nothing may be
double, no state may be illegal, every mail of the mailbox must be one ticket and its books balance, and the attempts on
record must be the requests the relay saw, except for sends in flight at a kill, which must show as `unknown`.

Exit status 1 on any violation; the folder under `build/` is then kept.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
import sys
import time
from pathlib import Path

from bench.crash_load import Ledger, Load, Unexpected
from bench.crash_mailbox import Mailbox
from bench.crash_rig import Rig
from bench.crash_verify import Found, verify
from bench.processes import ROOT, BenchError, Children

POSTGRES_EVERY = 20
DRAIN = 600.0
"""Seconds the outbox may take to become empty after the last start."""


def torture(rig: Rig, ledger: Ledger, mailbox: Mailbox, kills: int, seed: int) -> tuple[Found, int]:
    """Kill `kills` times, let everything come to its end, verify; what was found, and how often PostgreSQL died.

    Raises:
        BenchError: a process did not do what it had to.
        Unexpected: clients got an answer no crash excuses.
    """
    chance = random.Random(seed)
    rig.prepare()
    mailbox.open()
    load = Load(
        ledger, smtp_port=rig.smtp_port, http_port=rig.http_port, token=rig.token, link=rig.page_of, seed=seed,
        mailbox=mailbox,
    )  # fmt: skip
    rig.start()
    load.start()
    started = time.monotonic()
    servers = 0
    for kill in range(1, kills + 1):
        if load.broken is not None:
            raise Unexpected(f"the load broke: {load.broken!r}") from load.broken
        time.sleep(chance.uniform(0.05, 1.5))
        if rig.server is not None and kill % POSTGRES_EVERY == POSTGRES_EVERY // 2:
            rig.kill_postgres()
            servers += 1
            time.sleep(chance.uniform(0.5, 1.5))
        if chance.random() < 0.5:
            load.handed_over.clear()
            load.handed_over.wait(1.0)
            time.sleep(chance.uniform(0.0, 0.012))
        rig.kill()
        rig.start()
        if kill % 10 == 0:
            spent = time.monotonic() - started
            print(
                f"{rig.database}: {kill} kills, {len(ledger.inputs)} inputs, {ledger.acknowledged} acknowledged, "
                f"{len(ledger.changes)} changes, {spent:.0f} s",
                flush=True,
            )
    load.finish(60.0)
    drained = rig.drain(DRAIN)
    print(f"{rig.database}: the outbox was empty {drained:.1f} s after the last input", flush=True)
    rig.stop()
    return verify(rig, ledger, kills + servers, load.pages, mailbox), servers


def run(database: str, kills: int, seed: int) -> bool:
    """One database; whether everything held."""
    folder = ROOT / "build" / f"crash-{database}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ledger = Ledger(folder / "ledger.jsonl")
    servers = 0
    with Children(folder) as children:
        rig = Rig(folder, database, children, mailbox=True)
        mailbox = Mailbox(rig.imap_port)
        try:
            found, servers = torture(rig, ledger, mailbox, kills, seed)
        except (BenchError, Unexpected) as error:
            found = Found({}, [*ledger.unexpected, str(error)])
        finally:
            mailbox.close()
            ledger.close()
            if rig.server is not None:
                keep_database(rig, folder)
            rig.close()
    show(database, seed, kills, servers, found)
    if found.violations:
        print(f"  kept for inspection: {folder}", flush=True)
        return False
    shutil.rmtree(folder)
    return True


def keep_database(rig: Rig, folder: Path) -> None:
    """PostgreSQL's own folder goes away with its server; its log is worth keeping."""
    assert rig.server is not None
    log = rig.server.folder / "log"
    if log.exists():
        shutil.copy(log, folder / "postgresql.log")


def show(database: str, seed: int, kills: int, servers: int, found: Found) -> None:
    """The final table."""
    also = f" and {servers} of PostgreSQL" if servers else ""
    print(f"\n{database}, seed {seed}: {kills} kills of the gateway{also}")
    for name, value in found.figures.items():
        print(f"  {name:<28}{value:>9}")
    print(f"  {'violations':<28}{len(found.violations):>9}")
    for violation in found.violations:
        print(f"  ! {violation}")
    print(flush=True)


def main() -> int:
    """Exit status: 0 everything held, 1 something did not."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description="Kill the gateway under load.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None, help="to repeat a run; a new one, printed, when left out")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    given = parser.parse_args()
    seed: int = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    databases = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
    held = [run(database, given.kills, seed) for database in databases]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
