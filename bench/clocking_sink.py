"""A relay that takes every mail and keeps the instant at which DATA came for each person.

In: a port on loopback. Out, on SIGTERM: a line of JSON, person's number → seconds since 1970. The
invented people of `bench.ground` have their number in their address. RFC 5321, RFC 2920.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import time

import uvloop

_NUMBER = re.compile(rb"RCPT TO:<person(\d+)@", re.IGNORECASE)
_REPLIES = {
    b"EHLO": b"250-sink\r\n250 PIPELINING\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
}
_END = b"\r\n.\r\n"

data_at: dict[int, float] = {}


class Taker(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = transport
        self.waiting = bytearray()
        self.in_content = False
        self.person = -1
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Take what came, and answer all of it at once."""
        self.waiting += data
        replies = []
        while True:
            end = self.waiting.find(_END if self.in_content else b"\r\n")
            if end < 0:
                break
            if self.in_content:
                del self.waiting[: end + len(_END)]
                self.in_content = False
                replies.append(b"250 2.0.0 Ok: queued\r\n")
                continue
            line = bytes(self.waiting[:end])
            del self.waiting[: end + 2]
            replies.append(self._answer(line))
        if replies:
            self.transport.write(b"".join(replies))

    def _answer(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"RCPT":
            found = _NUMBER.match(line)
            self.person = int(found[1]) if found else -1
        elif word == b"DATA":
            data_at[self.person] = time.time()
            self.in_content = True
        elif word == b"QUIT":
            self.transport.close()
            return b"221 2.0.0 Bye\r\n"
        return _REPLIES.get(word, b"502 5.5.2 No\r\n")


async def _serve(port: int) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    server = await asyncio.get_running_loop().create_server(Taker, "127.0.0.1", port)
    await over.wait()
    server.close()


def main() -> None:
    """Take mails until told to end, then print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options.port))
    print(json.dumps(data_at))


if __name__ == "__main__":
    main()
