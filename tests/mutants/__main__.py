"""`python -m tests.mutants`: plant every error, one at a time, and write down which were caught."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from planting import TABLE, Contract, Mutant, caught, mutants  # noqa: E402

LEAST = 0.95


def table(found: list[tuple[Mutant, str | None]]) -> str:
    """Of each mechanism how many were planted and caught, and those that survived."""
    planted = Counter(mutant.mechanism for mutant, _ in found)
    noticed = Counter(mutant.mechanism for mutant, how in found if how)
    rows = [("mechanism", "planted", "caught")]
    rows += [(name, str(planted[name]), str(noticed[name])) for name in sorted(planted)]
    rows += [("all", str(planted.total()), str(noticed.total()))]
    lines = [f"{name:<18}{many:>8}{seen:>8}" for name, many, seen in rows]
    survivors = [mutant for mutant, how in found if not how]
    lines += ["", "Survived:" if survivors else "None survived."]
    lines += [f"  {m.mechanism}: {m.what} ({m.place})" for m in survivors]
    return "\n".join(lines) + "\n"


def main() -> int:
    """0 where enough of all are caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mechanism", nargs="?", help="of this one alone; nothing is written down")
    parser.add_argument("--what", help="those alone whose description has this in it")
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore")
    found: list[tuple[Mutant, str | None]] = []
    contracts: dict[str, Contract] = {}
    with tempfile.TemporaryDirectory() as folder:
        for mutant in mutants(chosen.mechanism):
            if chosen.what and chosen.what not in mutant.what:
                continue
            how = caught(mutant, contracts, Path(folder))
            print(f"{mutant.mechanism}: {mutant.what}: {how or 'SURVIVED'}", flush=True)
            found.append((mutant, how))
    text = table(found)
    print(f"\n{text}")
    if not chosen.mechanism and not chosen.what:
        TABLE.write_text(f"`make mutants`, {len(found)} errors\n\n{text}", encoding="utf-8")
    return 0 if sum(bool(how) for _, how in found) >= LEAST * len(found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
