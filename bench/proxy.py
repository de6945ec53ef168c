"""A loopback proxy before smtp-sink: with TLS or without, and with a delay each way.

In: where to listen and where to connect. Out: bytes passed on, until it is killed. It prints a line
when it listens.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from collections import deque
from pathlib import Path

import uvloop

LIMIT = 256 * 1024


class Half(asyncio.Protocol):
    """One side of a connection; what it reads goes to the other, so many seconds later."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.other: Half | None = None
        self.transport: asyncio.Transport | None = None
        self._early: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and pass on what came before it was there."""
        self.transport = transport
        transport.set_write_buffer_limits(high=LIMIT)
        while self._early:
            transport.write(self._early.popleft())

    def data_received(self, data: bytes) -> None:
        """Pass it on, now or later."""
        if self.other is None:
            return
        if self.delay_s:
            asyncio.get_running_loop().call_later(self.delay_s, self.other.send, data)
        else:
            self.other.send(data)

    def send(self, data: bytes) -> None:
        """Write to this side."""
        if self.transport is None:
            self._early.append(data)
        elif not self.transport.is_closing():
            self.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more from the other side while this one takes nothing."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side too."""
        del exc
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Front(Half):
    """The side that is connected to."""

    def __init__(self, port: int, delay_s: float) -> None:
        super().__init__(delay_s)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the sink."""
        super().connection_made(transport)
        back = Half(self.delay_s)
        self.other, back.other = back, self
        asyncio.get_running_loop().create_task(
            asyncio.get_running_loop().create_connection(lambda: back, "127.0.0.1", self._port)
        )


async def serve(options: argparse.Namespace) -> None:
    """Listen until killed."""
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    server = await asyncio.get_running_loop().create_server(
        lambda: Front(options.to, options.delay_ms / 1000), "127.0.0.1", options.port, ssl=context
    )
    print("listening", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="Each way.")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
