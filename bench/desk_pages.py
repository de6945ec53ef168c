"""How long every page of the desk takes to answer, with a million supporters.

In: how many invented people. Out: a table of pages, the slowest first: milliseconds between a request's
arrival in the app and the end of its answer, and of the processor. Pages are taken from the router, with
something behind each address, and asked for by somebody who may see all of them. What counts people is
told apart: pages fetch it after they are shown.

    python -m bench.desk_pages --people 1000000
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.desk_world import make_world
from mailer.desk.app import create_desk_app
from mailer.model.staff import StaffRole
from mailer.store.mailings import find_mailing
from mailer.store.reports import progress, report
from tests.support.desk import PASSWORD, welcome
from tests.support.desk_rooms import Rooms
from tests.support.staff import cheap_accounts

#: What a page may take, what a count may, and figures that the database has at hand.
PAGE_MS, COUNT_MS, FIGURES_MS = 100.0, 3000.0, 20.0
#: What counts people, or goes through the whole log: apart from the page that leads there.
COUNTS = frozenset(
    {"audience-members", "audience-counted", "mailing-count", "people-checks", "confirm-schedule",
     "check-audit", "export-audit"}
)  # fmt: skip
_RUNS = 5
#: Nothing is asked for a third time that took longer.
_LONG_MS = 1000.0


@dataclass(frozen=True)
class Took:
    """How long one page took."""

    name: str
    path: str
    status: int
    first_ms: float
    median_ms: float
    #: Of the processor, in the fastest run: other programs have part in the times above.
    cpu_ms: float
    octets: int

    @property
    def aim_ms(self) -> float:
        """Return what it may take."""
        return COUNT_MS if self.name in COUNTS else PAGE_MS


class Clocked:
    """An app that notes how long it took to answer the last request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.wall_ms = 0.0
        self.cpu_ms = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        wall, cpu = time.perf_counter(), time.process_time()
        await self._app(scope, receive, send)
        self.wall_ms = (time.perf_counter() - wall) * 1000
        self.cpu_ms = (time.process_time() - cpu) * 1000


def pages(rooms: Rooms) -> Iterator[Took]:
    """Ask for every page, as somebody with all roles."""
    app = Clocked(create_desk_app(rooms.workspace, accounts=cheap_accounts(rooms.workspace)))
    browser = TestClient(app, base_url=rooms.workspace.config.desk.base_url or "http://127.0.0.1")
    _sign_in(rooms, browser)
    for route, path in rooms.paths():
        # What tells a page what changes never ends; a report's figures are measured by themselves.
        if not route.name.endswith("-live"):
            yield _ask(browser, app, route.name, path)


def _sign_in(rooms: Rooms, browser: TestClient) -> None:
    member = welcome(rooms.workspace, "omni", *StaffRole)
    page = browser.get("/desk/sign-in").text
    token = page.split('name="form_token" value="')[1].split('"')[0]
    fields = {
        "form_token": token,
        "login": member.login,
        "password": PASSWORD,
        "code": member.code(),
    }
    answer = browser.post("/desk/sign-in", data=fields, follow_redirects=False)
    if answer.status_code != 303:
        raise RuntimeError(f"nobody could sign in: {answer.status_code}")


def _ask(browser: TestClient, app: Clocked, name: str, path: str) -> Took:
    walls, cpus = [], []
    for _ in range(_RUNS):
        answer = browser.get(path, follow_redirects=False)
        walls.append(app.wall_ms)
        cpus.append(app.cpu_ms)
        if len(walls) > 1 and app.wall_ms > _LONG_MS:
            break
    middle = statistics.median(walls[1:] or walls)
    size = len(answer.content)
    return Took(name, path, answer.status_code, walls[0], middle, min(cpus), size)


def figures(rooms: Rooms) -> dict[str, float]:
    """Return milliseconds that the figures of the large mailing take."""
    key = rooms.places["/mailings/{key}/report"]["key"]
    found = {}
    for ask in (report, progress):
        times = []
        for _ in range(_RUNS):
            with rooms.workspace.store.read() as connection:
                row_id = find_mailing(connection, key).row_id
                begun = time.perf_counter()
                ask(connection, row_id)
            times.append((time.perf_counter() - begun) * 1000)
        found[ask.__name__] = statistics.median(times)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Measure the pages of the desk.")
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailer-desk-") as folder:
        rooms = make_world(Path(folder) / "workspace", options.people)
        took = sorted(pages(rooms), key=lambda one: one.median_ms, reverse=True)
        at_hand = figures(rooms)
        rooms.workspace.store.close()
    if options.json:
        print(json.dumps({"people": options.people, "pages": [asdict(one) for one in took],
                          "figures_ms": at_hand}, indent=2))  # fmt: skip
        return
    print(f"{options.people} people\n{'median':>9} {'first':>9} {'processor':>9}  ms (aim)")
    for one in took:
        missed = "" if one.median_ms <= one.aim_ms else "  MISSED"
        print(f"{one.median_ms:9.1f} {one.first_ms:9.1f} {one.cpu_ms:9.1f}  ({one.aim_ms:.0f})"
              f" {one.status} {one.octets // 1024:5} kB  {one.path}{missed}")  # fmt: skip
    for name, took_ms in at_hand.items():
        held = "reached" if took_ms <= FIGURES_MS else "missed"
        print(f"{name} alone: {took_ms:.1f} ms (aim {FIGURES_MS:.0f}: {held})")


if __name__ == "__main__":
    main()
