"""The mails every SMTP figure is measured with.

Where the reference generator lies beside the project (`../shared/perf/gen_corpus.py`) its 2,000 mails are used, so
that figures of different programs can be compared; elsewhere the bench writes mails of the same mix itself
(`bench.mails`). The result says which.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import mails
from bench.processes import ROOT, run

REFERENCE = ROOT.parent / "shared" / "perf" / "gen_corpus.py"
COUNT = 2000


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder of `*.eml` files with CRLF; `sha256` is that of all of them in the order of their names."""

    folder: Path
    source: str
    sha256: str
    count: int
    bytes: int

    def __str__(self) -> str:
        return (
            f"{self.count} mails by {self.source}, {self.bytes / 1e6:.1f} MB, "
            f"mean {self.bytes / self.count / 1e3:.1f} KB, sha256 {self.sha256[:16]}"
        )


def prepare(build: Path, count: int = COUNT) -> Corpus:
    """Make the mails, or find them made by an earlier run.

    Raises:
        BenchError: the reference generator failed.
    """
    if REFERENCE.exists():
        folder, source, recipe = build / "reference", REFERENCE.name, REFERENCE.read_bytes()
    else:
        folder, source, recipe = build / "own", "bench.mails", Path(mails.__file__).read_bytes()
    # A corpus is whole only when its stamp stands, and current only when the stamp names the generator that made it.
    stamp = folder.with_suffix(".json")
    wanted = {"recipe": hashlib.sha256(recipe).hexdigest(), "count": count}
    if not stamp.exists() or json.loads(stamp.read_text()) != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        if REFERENCE.exists():
            run([sys.executable, str(REFERENCE), str(count), str(folder)], timeout=300)
        else:
            mails.write(folder, count)
        stamp.write_text(json.dumps(wanted))
    return measure(folder, source)


def measure(folder: Path, source: str) -> Corpus:
    """Describe the mails of a folder."""
    digest = hashlib.sha256()
    count = size = 0
    for path in sorted(folder.glob("*.eml")):
        data = path.read_bytes()
        digest.update(data)
        count += 1
        size += len(data)
    return Corpus(folder, source, digest.hexdigest(), count, size)
