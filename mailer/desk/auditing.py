"""The audit log: who did what, whether it is whole, and all of it as a file.

In: filters in the address; for a file, a form with password and code. Out: pages of entries, the last
first; what a check of the whole chain showed; CSV or lines of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import Response, StreamingResponse

from mailer.app.audit_log import exported, note_export
from mailer.desk.audit_words import ACTIONS, FLAWS, WAYS
from mailer.desk.fact_words import say_fact
from mailer.desk.ground import Desk
from mailer.desk.proofs import reauthenticate
from mailer.desk.routes import ADMINISTRATORS, Method, Route
from mailer.desk.visit import Visit
from mailer.model.audit import AuditAction, AuditEntry, AuditFilter, AuditHead
from mailer.model.staff import ActorKind
from mailer.store.audit import EntryUnreadable, entries_before, verify

#: Entries on one page.
PAGE = 50
_NOTED = re.compile(r"(\d{1,15}):([0-9a-f]{64})")
#: Beyond this no entry has a number, and a database none to compare with.
_LONGEST_ID = 15


@dataclass(frozen=True)
class Asked:
    """What the fields above the log hold, as they were typed."""

    who: str = ""
    action: str = ""
    about: str = ""
    since: str = ""
    until: str = ""

    @property
    def in_address(self) -> str:
        """Return them as the address says them, without what is empty."""
        return urlencode({name: value for name, value in vars(self).items() if value})


class Auditing:
    """The routes of the audit log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change, who = Method.SEE, Method.CHANGE, ADMINISTRATORS
        return (
            Route(see, "/audit", "audit", self.show, who),
            Route(see, "/audit/check", "check-audit", self.check, who),
            Route(see, "/audit/file", "export-audit", self.ask_file, who),
            Route(change, "/audit/file", "export-audit", self.file, who),
        )

    def show(self, visit: Visit) -> Response:
        """Show a page of entries, the last first."""
        asked = Asked(**{name: visit.query(name) for name in vars(Asked())})
        wanted, problems = self._filter(visit, asked)
        before = visit.query("before")
        before_id = int(before) if before.isdecimal() and len(before) <= _LONGEST_ID else None
        found: list[AuditEntry] = []
        unreadable = 0
        if not problems:
            try:
                with self._desk.store.read() as connection:
                    found = entries_before(connection, before_id, PAGE + 1, wanted)
            except EntryUnreadable as error:
                unreadable = error.entry_id
        return visit.page(
            "audit.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            asked=asked,
            problems=problems,
            actions=_actions(visit),
            entries=[_line(visit, one) for one in found[:PAGE]],
            unreadable=unreadable,
            earlier=found[PAGE - 1].entry_id if len(found) > PAGE else None,
            later=before_id is not None,
        )

    def _filter(self, visit: Visit, asked: Asked) -> tuple[AuditFilter, dict[str, str]]:
        problems = {}
        zone = ZoneInfo(self._desk.workspace.config.workspace.time_zone)
        days: dict[str, datetime | None] = {"since": None, "until": None}
        for name in days:
            typed: str = getattr(asked, name)
            if not typed:
                continue
            try:
                day = date.fromisoformat(typed)
                if name == "until":
                    day += timedelta(days=1)
                days[name] = datetime.combine(day, time.min, zone).astimezone(UTC)
            except (ValueError, OverflowError):
                problems[name] = visit.say("Write the day as 2026-12-01.")
        known = {one.value: one for one in AuditAction}
        action = known.get(asked.action)
        if asked.action and action is None:
            problems["action"] = visit.say("There is no such action.")
        wanted = AuditFilter(
            actor_name=asked.who or None,
            actions=frozenset({action} if action else ()),
            subject=asked.about or None,
            since=days["since"],
            until=days["until"],
        )
        return wanted, problems

    def check(self, visit: Visit) -> Response:
        """Go through the whole log and tell whether it is what was written."""
        typed = visit.query("noted").lower()
        noted = _NOTED.fullmatch(typed)
        problems = {}
        if typed and noted is None:
            problems["noted"] = visit.say("That is not what this page shows. Copy it whole.")
        head = AuditHead(int(noted[1]), noted[2]) if noted else None
        with self._desk.store.read() as connection:
            checked = verify(connection, head)
        flaw = ""
        if checked.flaw is not None:
            flaw = visit.say(FLAWS[checked.flaw], entry=checked.broken_id)
        return visit.page(
            "audit_check.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            problems=problems,
            noted=typed,
            flaw=flaw,
            entries=checked.head.entries,
            head=str(checked.head),
        )

    def ask_file(self, visit: Visit) -> Response:
        """Show the form of a file."""
        asked = Asked(**{name: visit.query(name) for name in vars(Asked())})
        return self._file_page(visit, asked, {})

    def file(self, visit: Visit) -> Response:
        """Give the log, as far as it is asked for, as a file; that is on record, too."""
        asked = Asked(**{name: visit.form.text(name) for name in vars(Asked())})
        wanted, problems = self._filter(visit, asked)
        problems = problems or reauthenticate(visit)
        if problems:
            return self._file_page(visit, asked, problems)
        as_csv = visit.form.text("format") != "jsonl"
        ending = "csv" if as_csv else "jsonl"
        note_export(self._desk.store, visit.actor, visit.now, ending)
        kind = "text/csv" if as_csv else "application/jsonl"
        return StreamingResponse(
            (part.encode() for part in exported(self._desk.store, wanted, as_csv=as_csv)),
            media_type=f"{kind}; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="audit-{visit.now:%Y-%m-%d}.{ending}"',
                "Cache-Control": "no-store",
            },
        )

    def _file_page(self, visit: Visit, asked: Asked, problems: Mapping[str, str]) -> Response:
        words = [asked.who, asked.about, asked.since and f"{asked.since} –"]
        words.append(asked.until and f"– {asked.until}")
        known = {one.value: phrase for one, phrase in ACTIONS.items()}
        if asked.action in known:
            words.append(visit.say(known[asked.action]))
        return visit.page(
            "audit_file.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            asked=asked,
            asked_words=", ".join(one for one in words if one),
            fields=vars(asked),
            form=visit.form.text("format", "csv"),
            problems=problems,
        )


def _actions(visit: Visit) -> list[tuple[str, str]]:
    named = [(one.value, visit.say(phrase)) for one, phrase in ACTIONS.items()]
    return [("", visit.say("Everything")), *sorted(named, key=lambda one: one[1])]


def _line(visit: Visit, one: AuditEntry) -> dict[str, object]:
    phrase = ACTIONS.get(one.action)
    way = "" if one.actor.kind is ActorKind.STAFF else visit.say(WAYS[one.actor.kind])
    return {
        "id": one.entry_id,
        "at": visit.shown(one.at),
        "who": one.actor.name if one.actor.kind is not ActorKind.PROGRAM else "",
        "way": way,
        "what": visit.say(phrase) if phrase else one.action.value,
        "about": one.subject,
        "facts": [say_fact(visit, name, fact) for name, fact in one.facts.items()],
    }
