"""How fast people are imported, and that memory does not grow with the file.

In: row counts. Out: a line for each: seconds, rows a second and the peak of memory. Each count runs
in a process of its own with a new SQLite database.

    python bench/import_million.py --rows 10000 --rows 100000 --rows 1000000
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from mailer.audience.imports import import_csv
from mailer.keys import create_seal_key, create_service_key, load_seal_keys, load_service_keys
from mailer.model.audience import ListDefinition
from mailer.store.engine import create_tables, open_store

LIST = ListDefinition(
    key="bench",
    name={"en": "Bench"},
    owner="bench",
    sender="bench",
    list_id="bench.example.org",
    consent_basis="consent",
    languages=("en",),
    time_zone="UTC",
)


def write_people(path: Path, rows: int) -> None:
    """Write a file of invented people."""
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,languages,country,tags,joined,remark\n")
        for number in range(rows):
            file.write(
                f"person{number}@example.org,Name {number},ru;uk,MD,press;tag{number % 9},"
                f"2025-01-02,said {number}\n"
            )


def run(rows: int) -> None:
    """Import so many people once and print the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        create_seal_key(folder / "seal.key")
        create_service_key(folder / "service.key")
        store = open_store(f"sqlite:///{folder / 'bench.db'}")
        create_tables(store)
        path = folder / "people.csv"
        write_people(path, rows)
        begun = time.perf_counter()
        result = import_csv(
            store, load_seal_keys(folder / "seal.key"), load_service_keys(folder / "service.key"),
            path, LIST, rejects_dir=folder / "rejects", now=datetime.now(UTC),
        )  # fmt: skip
        seconds = time.perf_counter() - begun
        store.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{result.added:>9} rows  {seconds:7.1f} s  {rows / seconds:7.0f} rows/s  {peak_mb:5.0f} MB"
    )


def main() -> None:
    """Run each count in a process of its own: the peak of memory is a process's."""
    parser = argparse.ArgumentParser(description="Import invented people and print the figures.")
    parser.add_argument("--rows", type=int, action="append", help="How many; may be repeated.")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for rows in options.rows or [10_000, 100_000]:
        if options.alone:
            run(rows)
        else:
            subprocess.run([sys.executable, __file__, "--alone", "--rows", str(rows)], check=True)


if __name__ == "__main__":
    main()
