"""Mail providers that press one-click unsubscribe for people, so many times a second.

In: lines of "person's number, token" on standard input, a port, a rate. Out: a line of JSON with the
person, the instant the answer was there, its status, how long it took since the instant it was due,
and a sum over all of it but its date: an answer that is slow does not put off the next. RFC 8058.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
import zlib

import uvloop

#: Connections kept open, as a proxy in front keeps them.
CONNECTIONS = 100
BODY = b"List-Unsubscribe=One-Click"
PATIENCE_S = 30.0


class Connections:
    """Connections to the pages, each used by one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def post(self, token: str) -> tuple[int, int]:
        """Post one click; return the status and a sum over the answer."""
        if self._free:
            # A server closes what was idle for long: who keeps connections asks once more.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                return await self._ask(token, *self._free.pop())
        return await self._ask(token, *await self._open())

    async def _ask(
        self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, int]:
        writer.write(
            f"POST /u/{token} HTTP/1.1\r\nHost: mail.example.org\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n".encode()
            + BODY
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        body = await reader.readexactly(length)
        if len(self._free) < CONNECTIONS:
            self._free.append((reader, writer))
        else:
            writer.close()
        said = [one for one in head.split(b"\r\n") if not one.lower().startswith(b"date:")]
        return int(head.split(b" ", 2)[1]), zlib.crc32(b"\r\n".join([*said, body]))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


async def _press(wanted: list[tuple[int, str]], port: int, per_second: float) -> list[list[float]]:
    connections = Connections(port)
    begun = time.time() + 0.2
    pressed: list[list[float]] = []

    async def press(number: int, token: str, due: float) -> None:
        await asyncio.sleep(due - time.time())
        try:
            status, whole = await asyncio.wait_for(connections.post(token), PATIENCE_S)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            # Providers do not say what they do then; it is not counted as done.
            status = whole = 0
        now = time.time()
        pressed.append([number, now, status, (now - due) * 1000, whole])

    async with asyncio.TaskGroup() as group:
        for place, (number, token) in enumerate(wanted):
            group.create_task(press(number, token, begun + place / per_second))
    return pressed


def main() -> None:
    """Press, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    options = parser.parse_args()
    wanted = [(int(line.split()[0]), line.split()[1]) for line in sys.stdin]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_press(wanted, options.port, options.per_second))))


if __name__ == "__main__":
    main()
