"""Kill the program three hundred times while it sends five thousand mails, and count what it cost.

In: how many people, kills and senders. Out: a line for each number of senders, and status 1 when
anybody was lost, mailed twice, or in doubt beyond the connections that were open.

    python -m bench.chaos --senders 1 --senders 2 --seed 7
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.processes import Nursery
from tests.support.chaos import Chaos


def main() -> None:
    """Run each number of senders and print the figures."""
    parser = argparse.ArgumentParser(description="Kill the program while it sends, and count.")
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--senders", type=int, action="append", help="How many; may be repeated.")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    sound = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        nursery = Nursery(folder)
        try:
            for senders in options.senders or [1, 2]:
                sound = _run(nursery, folder / str(senders), senders, options) and sound
        finally:
            nursery.close()
    sys.exit(0 if sound else 1)


def _run(nursery, folder, senders, options):
    began = time.monotonic()
    print(
        f"{senders} sender{'s' if senders > 1 else ''}, {options.people} people, "
        f"{options.kills} kills, seed {options.seed}",
        flush=True,
    )

    def show(kills, verdict):
        if kills % 50 == 0 or kills == options.kills:
            print(
                f"  {kills} kills, max-in-doubt {verdict.max_in_doubt}, "
                f"{time.monotonic() - began:.0f} s",
                flush=True,
            )

    chaos = Chaos(
        nursery, folder, people=options.people, senders=senders, kills=options.kills,
        seed=options.seed,
    )  # fmt: skip
    verdict = asyncio.run(chaos.run(show))
    if verdict.tracebacks:
        print(chaos.told())
    for title, counted in (
        ("killed", verdict.kills),
        ("taken over", verdict.taken_over),
        ("became", verdict.states),
    ):
        print(f"  {title}: " + ", ".join(f"{what} {count}" for what, count in counted.items()))
    print(
        f"  of those in doubt {verdict.in_doubt_accepted} had been accepted; beyond the open "
        f"connections {verdict.beyond}; {verdict.left} left meanwhile, "
        f"{verdict.late} mailed too late after that; {time.monotonic() - began:.0f} s"
    )
    print(verdict.line(), flush=True)
    return verdict.sound


if __name__ == "__main__":
    main()
