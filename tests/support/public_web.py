"""The public pages, served on loopback by the server that serves them in earnest."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import httpx

from mailer.config import share_dir
from mailer.statements.catalog import Catalog, load_catalogs
from mailer.store.suppression_log import SuppressionLog
from mailer.web.public.app import create_public_app
from mailer.web.public.pages import page_phrases
from mailer.web.public.server import serve_public

#: Languages that the tests' pages speak.
SPOKEN = ("en", "ru", "ro", "fa", "de")
BASE_URL = "https://mail.example.org"
#: Whose pages these are.
ORGANISATION = {"en": "Harbor Solidarity", "ru": "«Гавань солидарности»"}


@lru_cache(maxsize=1)
def spoken_catalogs() -> dict[str, Catalog]:
    """Return catalogs with every phrase of the pages.

    They are those that ship; a phrase that one lacks is the English one with the language before
    it, so that a test of pages does not wait for a translation. Another test wants them complete.
    """
    shipped = load_catalogs(share_dir() / "templates" / "locale")
    made = {}
    for language in SPOKEN:
        forms = {
            phrase: (phrase if language == "en" else f"{language}: {phrase}",)
            for phrase in page_phrases()
        }
        known = shipped.get(language)
        made[language] = Catalog(
            language,
            known.plural_rule if known else "n != 1",
            forms | dict(known.forms if known else {}),
        )
    return made


class AtOnce(Executor):
    """Does at once what is meant for later: a test sees what became of it."""

    def submit(self, work, /, *arguments, **options) -> Future:  # noqa: D102  (As in the base class.)
        done: Future = Future()
        done.set_result(work(*arguments, **options))
        return done


@dataclass(frozen=True)
class Site:
    """A running server of public pages."""

    port: int

    @property
    def url(self) -> str:
        """Return where it answers, without a final slash."""
        return f"http://127.0.0.1:{self.port}"

    def visitor(self, **headers: str) -> httpx.Client:
        """Return a browser of no particular make; it follows no redirect and keeps no cookie."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)

    def raw(self, request: bytes, timeout_s: float = 20) -> bytes:
        """Send bytes as they are, and return all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
        return answer


@contextlib.contextmanager
def serve_app(app) -> Iterator[Site]:
    """Serve an app on a free port, in a thread of its own."""
    up = threading.Event()
    running: dict[str, object] = {}

    def ready(port: int) -> None:
        running["port"] = port
        up.set()

    async def main() -> None:
        running["stop"] = stop = asyncio.Event()
        running["loop"] = asyncio.get_running_loop()
        await serve_public(app, "127.0.0.1", 0, stop, ready=ready)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert up.wait(10), "the server did not start"
        yield Site(running["port"])
    finally:
        running["loop"].call_soon_threadsafe(running["stop"].set)
        thread.join(30)
        assert not thread.is_alive()


@contextlib.contextmanager
def public_site(
    store, tokens, clock, *, base_url=BASE_URL, answer_floor_s=0.0, log=None, areas=()
) -> Iterator[Site]:
    """Serve the public pages over a store; answers come as soon as they can unless told."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_public_app(
            store,
            tokens,
            spoken_catalogs(),
            clock,
            log=SuppressionLog(log or Path(folder) / "suppressions.log"),
            base_url=base_url,
            organisation=ORGANISATION,
            time_zone="Europe/Chisinau",
            answer_floor_s=answer_floor_s,
            areas=areas,
        )
        with serve_app(app) as site:
            yield site


def hidden_fields(page: str) -> dict[str, str]:
    """Return the hidden fields of a page's form by name."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return dict(found)
