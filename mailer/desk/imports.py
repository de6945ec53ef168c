"""Import people: upload a file, say what its columns are, see what would happen, import, take it back.

In: forms and files. Out: pages, one for each step. A file is read beside the page that asked for it; the
page shows how far it is, by server-sent events (WHATWG HTML §9.2) or when a person loads it again.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from starlette.responses import Response, StreamingResponse

from mailer.app import uploading
from mailer.app.importing import undo_import
from mailer.audience.columns import KEPT, LEFT_OUT
from mailer.audience.mapping import Sample, targets_of
from mailer.audience.undoing import check_undo
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.mailings import problems_of
from mailer.desk.phrases import mark
from mailer.desk.routes import SENDERS, Method, Route, Upload
from mailer.desk.visit import Visit
from mailer.events import warn
from mailer.model.faults import FaultsFound, told_fault
from mailer.model.staff import StaffRole
from mailer.model.statement import localized
from mailer.model.uploads import Upload as Uploaded
from mailer.model.uploads import UploadState
from mailer.model.worded import from_document
from mailer.store.undo import batches

#: Who looks at imports; only senders make them.
VIEWERS = SENDERS | {StaffRole.ADMINISTRATOR}
_SHOWN_BATCHES = 50
EVERY_S = 1.0
_LONGEST_S = 300.0
#: A form's parts beside the file.
_ROOM = 64 * 1024

STATES: Mapping[UploadState, str] = {
    UploadState.WAITING: mark("waits for you"),
    UploadState.CHECKING: mark("is being checked"),
    UploadState.CHECKED: mark("checked, not imported yet"),
    UploadState.IMPORTING: mark("is being imported"),
    UploadState.DONE: mark("imported"),
    UploadState.FAILED: mark("could not be imported"),
}
TARGETS: Mapping[str, str] = {
    "address": mark("E-mail address"),
    "name": mark("Name"),
    "languages": mark("Languages, the first one first"),
    "never_languages": mark("Languages never to be used"),
    "country": mark("Country"),
    "time_zone": mark("Time zone"),
    "tags": mark("Tags"),
    "joined": mark("Day they joined"),
    "discreet": mark("At risk: discreet mails only"),
    "text_only": mark("Wants plain text"),
    "topics": mark("Topics"),
    "consent": mark("Consent: yes or no"),
    "consent_source": mark("Where the consent came from"),
    "consented_at": mark("When they consented"),
}
#: What becomes of a line, in words.
LINES: Mapping[str, str] = {
    "added": mark("New on the list"),
    "updated": mark("On the list already, changed"),
    "unchanged": mark("On the list already, nothing new"),
    "merged": mark("Second rows of an address, merged"),
    "left": mark("Left the list, not brought back"),
    "suppressed": mark("Suppressed, not taken"),
    "taken_over": mark("Left or bounced elsewhere: suppressed from now on"),
    "rejected": mark("Cannot be taken"),
}


class Imports:
    """The routes of imports."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change, one = Method.SEE, Method.CHANGE, "/audience/import/{upload}"
        batch = "/audience/imported/{batch}"
        upload = Upload(uploading.MOST_OCTETS + _ROOM)
        return (
            Route(see, "/audience/import", "imports", self.show_all, VIEWERS),
            Route(change, "/audience/import", "imports", self.receive, SENDERS, upload),
            Route(see, one, "import", self.show, VIEWERS),
            Route(see, f"{one}/live", "import-live", self.live, VIEWERS),
            Route(change, f"{one}/columns", "import-columns", self.choose, SENDERS),
            Route(change, f"{one}/start", "import-start", self.start, SENDERS),
            Route(change, f"{one}/discard", "import-discard", self.discard, SENDERS),
            Route(see, batch, "imported", self.show_batch, VIEWERS),
            Route(change, batch, "imported", self.undo, SENDERS),
        )

    def show_all(self, visit: Visit) -> Response:
        """Show the form for a file, the files that wait, and what was imported."""
        return self._all(visit)

    def _all(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        workspace = self._desk.workspace.reread()
        with self._desk.store.read() as connection:
            done = batches(connection)[:_SHOWN_BATCHES]
        return visit.page(
            "imports.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            lists=[
                (key, f"{localized(one.name, visit.language, 'en')} ({key})")
                for key, one in sorted(workspace.lists[0].items())
            ],
            chosen=visit.form.text("list"),
            problems=problems or {},
            may=visit.may(StaffRole.SENDER),
            waiting=[
                {"id": one.upload_id, "name": one.name, "list": one.list_key,
                 "state": visit.say(STATES[one.state]), "at": visit.shown(one.uploaded_at)}
                for one in uploading.uploads(workspace)
                if one.state is not UploadState.DONE
            ],
            done=[
                {"id": one.id, "list": one.key, "at": visit.shown(one.started_at),
                 "people": (one.counts or {}).get("added", 0), "undone": one.undone_at is not None,
                 "finished": one.finished_at is not None}
                for one in done
            ],
            most_mb=uploading.MOST_OCTETS // 1024 // 1024,
        )  # fmt: skip

    def receive(self, visit: Visit) -> Response:
        """Take a file."""
        workspace = self._desk.workspace.reread()
        sent = visit.form.file("file")
        if sent is None or not sent.content:
            return self._all(visit, {"file": visit.say("Choose a file")})
        try:
            upload = uploading.receive(
                workspace, visit.actor, visit.form.text("list"), sent.name, sent.content
            )
        except FaultsFound as error:
            told = problems_of(visit, error.faults, {"--list": "list"})
            return self._all(visit, {name or "file": text for name, text in told.items()})
        return visit.go("import", upload=upload.upload_id)

    def _upload(self, visit: Visit) -> Uploaded:
        text = visit.path["upload"]
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise visit.not_found()
        try:
            return uploading.upload_of(self._desk.workspace, int(text))
        except uploading.UploadGone as error:
            raise visit.not_found() from error

    def show(self, visit: Visit) -> Response:
        """Show the step that a file is at."""
        return self._step(visit, self._upload(visit))

    def _step(
        self,
        visit: Visit,
        upload: Uploaded,
        problems: dict[str, str] | None = None,
        chosen: Sequence[str] | None = None,
    ) -> Response:
        workspace = self._desk.workspace.reread()
        now = visit.now
        waits = (
            upload.state is UploadState.WAITING or bool(visit.query("columns")) or bool(problems)
        )
        sample: Sample | None = None
        problems = problems or {}
        if waits and not upload.is_being_read(now) and upload.state is not UploadState.DONE:
            try:
                sample = uploading.sample_of(workspace, upload)
            except FaultsFound as error:
                problems = problems_of(visit, error.faults, {})
        result = upload.result or {}
        return visit.page(
            "import.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            upload=upload,
            problems=problems,
            may=visit.may(StaffRole.SENDER),
            reading=upload.is_being_read(now),
            broken_off=upload.is_broken_off(now),
            state=visit.say(STATES[upload.state]),
            sample=sample,
            columns=self._columns(visit, upload, sample, chosen) if sample else [],
            counts=_counts(visit, result.get("result")),
            reasons=_reasons(visit, result.get("reasons")),
            result=result.get("result") or {},
            faults=_faults(visit, result),
        )

    def _columns(
        self, visit: Visit, upload: Uploaded, sample: Sample, chosen: Sequence[str] | None
    ) -> list[dict[str, object]]:
        definition = self._desk.workspace.reread().list_of(upload.list_key)
        options = [(LEFT_OUT, visit.say("Leave out"))]
        options += [
            (one, visit.say(TARGETS[one]) if one in TARGETS else one)
            for one in targets_of(definition)
        ]
        options.append((KEPT, visit.say("Keep it sealed, under its name")))
        # What is no text of a form is sent as something that is.
        words = [(_SENT.get(value, value), text) for value, text in options]
        targets = chosen or upload.targets or [one.proposed for one in sample.columns]
        return [
            {"id": f"column-{number}", "name": one.name, "cells": one.cells, "options": words,
             "chosen": _SENT.get(target, target)}
            for number, (one, target) in enumerate(zip(sample.columns, targets, strict=True))
        ]  # fmt: skip

    def choose(self, visit: Visit) -> Response:
        """Note what the columns are, and begin the dry run."""
        upload = self._upload(visit)
        workspace = self._desk.workspace.reread()
        count = len(uploading.sample_of(workspace, upload).columns)
        chosen = [_READ.get(one, one) for one in
                  (visit.form.text(f"column-{number}") for number in range(count))]  # fmt: skip
        try:
            uploading.choose_columns(workspace, upload, chosen)
        except uploading.UploadGone:
            return visit.go("import", said="not-any-more", upload=upload.upload_id)
        except FaultsFound as error:
            told = problems_of(visit, error.faults, {})
            known = len(chosen) == count and all(chosen)
            return self._step(visit, upload, told, chosen if known else None)
        if uploading.begin_check(workspace, upload.upload_id):
            actor = visit.actor
            _beside(lambda: uploading.check(workspace, actor, upload.upload_id))
        return visit.go("import", upload=upload.upload_id)

    def start(self, visit: Visit) -> Response:
        """Begin the import of a file that was checked."""
        upload = self._upload(visit)
        workspace, actor = self._desk.workspace.reread(), visit.actor
        if not uploading.begin_import(workspace, actor, upload.upload_id):
            return visit.go("import", said="not-any-more", upload=upload.upload_id)
        _beside(lambda: uploading.bring_in(workspace, actor, upload.upload_id))
        return visit.go("import", upload=upload.upload_id)

    def discard(self, visit: Visit) -> Response:
        """Delete a file that is not wanted any more."""
        uploading.discard(self._desk.workspace, self._upload(visit).upload_id)
        return visit.go("imports", said="discarded")

    def live(self, visit: Visit) -> Response:
        """Send how far a file is read again and again."""
        upload_id = self._upload(visit).upload_id
        return StreamingResponse(
            self._parts(visit, upload_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _parts(self, visit: Visit, upload_id: int) -> AsyncIterator[str]:
        begun = self._desk.clock.monotonic()
        while self._desk.clock.monotonic() - begun < _LONGEST_S:
            part = await to_thread.run_sync(self._part, visit, upload_id)
            if not part:
                yield "event: end\ndata: end\n\n"
                return
            yield f"event: part\ndata: {part.replace(chr(10), ' ')}\n\n"
            await asyncio.sleep(EVERY_S)

    def _part(self, visit: Visit, upload_id: int) -> str:
        try:
            upload = uploading.upload_of(self._desk.workspace, upload_id)
        except uploading.UploadGone:
            return ""
        if not upload.is_being_read(self._desk.clock.now()):
            return ""
        values = {"upload": upload, "state": visit.say(STATES[upload.state])}
        return visit.desk.pages.part(visit, "_import_progress.html", values)

    def show_batch(self, visit: Visit) -> Response:
        """Show what an import came to, and whether it can be taken back."""
        return self._batch(visit)

    def _batch(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        number = self._number(visit)
        with self._desk.store.read() as connection:
            found = next((one for one in batches(connection) if one.id == number), None)
        if found is None:
            raise visit.not_found()
        return visit.page(
            "imported.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            batch=found,
            at=visit.shown(found.started_at),
            undone_at=visit.shown(found.undone_at),
            counts=_counts(visit, found.counts),
            problems=problems or {},
            may=visit.may(StaffRole.SENDER),
        )

    def _number(self, visit: Visit) -> int:
        text = visit.path["batch"]
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise visit.not_found()
        return int(text)

    def undo(self, visit: Visit) -> Response:
        """Take an import back."""
        number, actor, workspace = self._number(visit), visit.actor, self._desk.workspace
        try:
            with self._desk.store.read() as connection:
                check_undo(connection, number)
        except FaultsFound as error:
            return self._batch(visit, {"": joined(problems_of(visit, error.faults, {}).values())})
        _beside(lambda: undo_import(workspace, actor, number))
        return visit.go("imported", said="undo-begun", batch=number)


#: How a form says what no text can be.
_SENT = {LEFT_OUT: "-", KEPT: "+"}
_READ = {sent: value for value, sent in _SENT.items()}


def _beside(work: Callable[[], object]) -> None:
    """Do something that takes a while, beside the pages."""

    def run() -> None:
        try:
            work()
        except FaultsFound as error:
            warn("an import could not be taken back", faults=len(error.faults))

    # Whatever it is at when the desk ends can be begun anew.
    threading.Thread(target=run, name="importing", daemon=True).start()


def _counts(visit: Visit, found: object) -> list[tuple[str, int]]:
    counts = found if isinstance(found, Mapping) else {}
    return [(visit.say(words), counts[name]) for name, words in LINES.items() if counts.get(name)]


def _faults(visit: Visit, result: Mapping[str, Any]) -> list[str]:
    """Return what kept a file from being imported."""
    if "told" in result:
        return [visit.fault(told_fault(one)).whole for one in result["told"]]
    # A file that was read by the program as it was before.
    return list(result.get("faults") or [])


def _reason(visit: Visit, one: Mapping[str, Any]) -> str:
    """Return why a line needs a look; one that was read before the program knew other languages, too."""
    told = from_document(one["words"]) if "words" in one else one["reason"]
    return visit.told(told).html


def _reasons(visit: Visit, found: object) -> list[dict[str, object]]:
    reasons = found if isinstance(found, list) else []
    return [
        {
            **one,
            "reason": _reason(visit, one),
            "words": visit.say(LINES.get(one["what"], mark("Cannot be taken"))),
        }
        for one in reasons
        if one["reason"]
    ]
