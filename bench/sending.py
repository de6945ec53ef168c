"""How near the limit of the wire a mailing goes out: `make bench`.

Real deliveries of a sample statement, merged for each supporter with all headers, from a SQLite
workspace through ten connections into Postfix's smtp-sink; beside it, in turn, Postfix's load
generator smtp-source at the same size. In: counts. Out: a table, or JSON with `--json`. Medians of
several runs; everything from the first claim to the last outcome on record counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.ground import Ground, make_ground
from tests.support.certificates import Authority, Certificate

SINK, SOURCE = "/usr/sbin/smtp-sink", "/usr/sbin/smtp-source"
CONNECTIONS = 10
#: Round trip to a relay far away, in milliseconds.
FAR_MS = 50
#: Name → what is reached, as the ratio that is named.
TARGETS = {
    "plain": ("of smtp-source", 1.0), "rsa": ("of smtp-source", 0.36),
    "ed25519": ("of smtp-source", 0.8), "tls": ("of the same without TLS", 0.75),
    "far": ("of one command at a time", 1.8), "naive": ("times the naive sender", 80.0),
}  # fmt: skip


@dataclass
class Run:
    """One measured run."""

    seconds: float
    cpu_s: float
    peak_mb: float
    messages: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


@dataclass
class Measured:
    """All runs of one thing."""

    name: str
    runs: list[Run] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return the medians."""
        per_thousand = [one.cpu_s / one.messages * 1000 for one in self.runs]
        return {
            "messages_per_s": round(statistics.median(one.rate for one in self.runs), 1),
            "cpu_s_per_1000": round(statistics.median(per_thousand), 4),
            "peak_mb": round(max(one.peak_mb for one in self.runs), 1),
            "runs": len(self.runs),
        }


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    """Wait until somebody listens on a loopback port."""
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on {port}")
        time.sleep(0.05)


@contextlib.contextmanager
def background(command: list[str], port: int) -> Iterator[None]:
    """Run a server until the block ends."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(port)
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def sink(*options: str) -> Iterator[int]:
    """Run smtp-sink; give its port."""
    port = free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with background([SINK, *user, *options, f"127.0.0.1:{port}", "1000"], port):
        yield port


@contextlib.contextmanager
def proxy(to: int, *options: str) -> Iterator[int]:
    """Run the proxy before a sink; give its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.proxy", "--port", str(port), "--to", str(to), *options]
    with background(command, port):
        yield port


def source_run(port: int, messages: int, size: int) -> Run:
    """Run smtp-source once."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(
        [
            SOURCE, "-d", "-s", str(CONNECTIONS), "-m", str(messages), "-l", str(size), "-f",
            "news@harbor.example.org", "-t", "reader@example.org", f"127.0.0.1:{port}",
        ],
        check=True,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, cpu_s, 0.0, messages)


def sender_run(ground: Ground, signed: str, port: int, messages: int, *options: str) -> Run:
    """Send a whole mailing once, in a process of its own."""
    workspace = ground.workspace(signed)
    said = _python("bench.sender", str(workspace), "--port", str(port), *options)
    if said["states"] != {"accepted": messages}:
        raise RuntimeError(f"not everyone was mailed: {said['states']}")
    return Run(said["seconds"], said["cpu_s"], said["peak_mb"], messages)


def naive_run(folder: Path, port: int, messages: int) -> Run:
    """Run the naive sender once, on a new database."""
    database = folder / "naive.db"
    database.unlink(missing_ok=True)
    people = ["--people", str(messages)]
    said = _python("bench.naive", str(database), "--port", str(port), *people)
    return Run(said["seconds"], said["cpu_s"], said["peak_mb"], messages)


def _python(module: str, *arguments: str) -> dict[str, object]:
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments], check=True, capture_output=True, text=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


def mail_size(ground: Ground) -> int:
    """Return how many octets a mail of the mailing has."""
    said = _python("bench.sender", str(ground.workspace("none")), "--port", "0", "--size")
    return int(said["size"])


def measure(folder: Path, people: int, runs: int, say: Callable[[str], None]) -> dict[str, object]:
    """Measure everything; return medians, ratios and what each is held against."""
    ground = make_ground(folder, people, ("none", "rsa", "ed25519"))
    size = mail_size(ground)
    few = max(people // 20, 200)
    found: dict[str, Measured] = {}

    def add(name: str, run: Run) -> None:
        found.setdefault(name, Measured(name)).runs.append(run)
        say(f"{name:<10} {run.rate:8.0f}/s  {run.cpu_s / run.messages * 1000:.3f} CPU s per 1,000")

    (folder / "certificates").mkdir()
    authority = Authority(folder / "certificates")
    certificate, key = authority.server_files(Certificate.GOOD)
    with (
        sink() as port,
        proxy(port) as plain,
        proxy(port, "--certificate", str(certificate), "--key", str(key)) as encrypted,
    ):
        for _ in range(runs):
            add("source", source_run(port, people, size))
            add("plain", sender_run(ground, "none", port, people))
            add("ed25519", sender_run(ground, "ed25519", port, people))
            add("rsa", sender_run(ground, "rsa", port, people))
            add("proxied", sender_run(ground, "none", plain, people))
            trusted = ["--tls", str(authority.file)]
            add("tls", sender_run(ground, "none", encrypted, people, *trusted))
            add("naive", naive_run(folder, port, 100))
    (folder / "far").mkdir()
    far_ground = make_ground(folder / "far", few, ("none",))
    with sink() as port, sink("-p") as one_by_one:
        delay = ["--delay-ms", str(FAR_MS / 2)]
        with proxy(port, *delay) as far, proxy(one_by_one, *delay) as slow:
            for _ in range(min(runs, 3)):
                add("far", sender_run(far_ground, "none", far, few))
                add("one_by_one", sender_run(far_ground, "none", slow, few))
    return {"people": people, "octets": size, "figures": _figures(found), "ratios": _ratios(found)}


def _figures(found: dict[str, Measured]) -> dict[str, dict[str, float]]:
    return {name: one.summary() for name, one in found.items()}


def _ratios(found: dict[str, Measured]) -> dict[str, dict[str, object]]:
    beside = {
        "plain": "source", "rsa": "source", "ed25519": "source", "tls": "proxied",
        "far": "one_by_one", "naive": "plain",
    }  # fmt: skip
    ratios = {}
    for name, other in beside.items():
        pairs = zip(found[name].runs, found[other].runs, strict=True)
        # Runs that stood beside each other: what else the machine did then was the same for both.
        each = [a.rate / b.rate if name != "naive" else b.rate / a.rate for a, b in pairs]
        what, target = TARGETS[name]
        ratios[name] = {
            "ratio": round(statistics.median(each), 3), "what": what, "target": target,
        }  # fmt: skip
    return ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure sending against smtp-source.")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    missing = [path for path in (SINK, SOURCE) if not Path(path).exists()]
    if missing:
        sys.exit(f"{missing[0]} is missing. Run: sudo apt install postfix")

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    folder = Path(tempfile.mkdtemp(prefix="mailer-bench-"))
    try:
        result = measure(folder, options.people, options.runs, say)
    finally:
        shutil.rmtree(folder)
    # Who leaves meanwhile is the other half of how fast mailings may go out.
    command = [sys.executable, "-m", "bench.leaving", "--json"]
    left = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    result["leaving"] = [json.loads(line) for line in left]
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"\n{result['people']} deliveries of {result['octets']} octets, {CONNECTIONS} connections"
    )
    for name, figures in result["figures"].items():
        print(
            f"  {name:<10} {figures['messages_per_s']:>9.0f}/s  "
            f"{figures['cpu_s_per_1000']:.3f} CPU s per 1,000  {figures['peak_mb']:.0f} MB"
        )
    for name, one in result["ratios"].items():
        held = "reached" if one["ratio"] >= one["target"] else "missed"
        print(f"  {name:<10} {one['ratio']:>9.2f} {one['what']}, to reach {one['target']}: {held}")
    for one in result["leaving"]:
        print("  leaving    " + ", ".join(f"{name} {value:g}" for name, value in one.items()))


if __name__ == "__main__":
    main()
