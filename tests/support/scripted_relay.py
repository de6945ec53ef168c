r"""An SMTP server that follows a script, for what no honest server does: byte by byte, or silent.

async with ScriptedRelay(AUTH=b"535 5.7.8 no\r\n", MAIL=HANG) as relay:
    ... connect to 127.0.0.1, relay.port ...
    assert relay.lines == ["EHLO localhost", …]
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import ssl
import struct
from typing import Any

#: Instead of an answer: nothing, for ever.
HANG = object()
#: Instead of an answer: the machine is gone from one moment to the next, without a reset.
VANISH = object()
_ANSWERS: dict[str, Any] = {
    "greeting": b"220 relay.example.net ESMTP\r\n", "EHLO": [], "STARTTLS": b"220 2.0.0 go\r\n",
    "AUTH": b"235 2.7.0 ok\r\n", "MAIL": b"250 2.1.0 ok\r\n", "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go\r\n", ".": b"250 2.0.0 queued\r\n", "RSET": b"250 ok\r\n",
    "QUIT": b"221 bye\r\n",
}  # fmt: skip
_SO_ATTACH_FILTER = 26


class ScriptedRelay:
    """Answers by command, each with bytes, `HANG` or `VANISH`; EHLO with a list of extensions.

    A list for AUTH is used up in order, by AUTH itself and the lines that follow its challenges.
    """

    def __init__(self, context: ssl.SSLContext | None = None, **answers: Any) -> None:
        self.context = context
        #: ".": the answer to the end of the content.
        self.answers = {**_ANSWERS, **answers}
        #: What the client said, on all connections, line by line; no content.
        self.lines: list[str] = []
        self.encrypted_lines: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> ScriptedRelay:
        # A small window, so that a relay that reads nothing soon takes nothing.
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listening.bind(("127.0.0.1", 0))
        self._server = await asyncio.start_server(self._talk, sock=listening)
        self.port = listening.getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._server.close()
        # Turns of the loop, in which a connection of this moment begins and what is cut ends.
        await asyncio.sleep(0.01)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            if not self._say(writer, self.answers["greeting"]):
                return
            while line := await reader.readline():
                if not await self._answer(line.decode().rstrip("\r\n"), reader, writer):
                    return
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            # A client that refuses our certificate, or is done with us.
            pass

    async def _answer(
        self, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        self.lines.append(line)
        if writer.get_extra_info("ssl_object") is not None:
            self.encrypted_lines.append(line)
        verb = line.split(" ")[0].upper()
        answer = self.answers.get(verb, self.answers["AUTH"])
        if verb == "EHLO" and isinstance(answer, list):
            answer = b"".join(
                f"250{'-' if count < len(answer) else ' '}{one}\r\n".encode()
                for count, one in enumerate(["relay.example.net", *answer])
            )
        if isinstance(answer, list):
            answer = answer.pop(0)
        if not self._say(writer, answer):
            return False
        if verb == "STARTTLS" and answer.startswith(b"220") and self.context is not None:
            await writer.start_tls(self.context)
        if verb == "DATA" and answer.startswith(b"354"):
            if self.answers["."] is HANG and self.answers.get("takes") is HANG:
                return False
            await reader.readuntil(b"\r\n.\r\n")
            return self._say(writer, self.answers["."])
        return verb != "QUIT"

    def _say(self, writer: asyncio.StreamWriter, answer: Any) -> bool:
        if answer is VANISH:
            _vanish(writer.get_extra_info("socket"))
        if answer in (HANG, VANISH):
            return False
        writer.write(answer)
        return True


def _vanish(connection: Any) -> None:
    """Have the system drop every packet that comes for a socket, so that nothing is acknowledged."""
    # A filter of one instruction, which returns 0: keep nothing of the packet.
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
