"""A relay that a test scripts line by line, on a socket of its own."""

import asyncio


class ListeningPeer:
    """Listens on loopback while its block lasts; `_talk` is what it says to whoever connects."""

    async def __aenter__(self):
        # Mails of a hundred kilobytes are read in one piece.
        self.server = await asyncio.start_server(self._talk, "127.0.0.1", 0, limit=2**20)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error):
        self.server.close()
        await self.server.wait_closed()

    async def _talk(self, reader, writer):
        raise NotImplementedError
