"""Watch a mailing go out, stop it and let it go on, and settle what nobody can know.

In: a mailing that has an hour. Out: a page that is sent again by and by as the mailing goes on, by
server-sent events (WHATWG HTML §9.2); without scripts it is loaded again by a person. Forms pause,
resume, cancel, release and settle.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from anyio import to_thread
from starlette.responses import Response, StreamingResponse

from mailer.app import stopping
from mailer.app.settling_doubts import settle_doubts
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.routes import ALL_STAFF, SENDERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import delivery_state, mailing_state, provider, skip_reason
from mailer.model.mailing import Mailing
from mailer.model.staff import StaffRole
from mailer.model.states import (
    DeliveryState,
    ForbiddenTransition,
    MailingState,
    Settlement,
)
from mailer.model.timing import ShareState
from mailer.store.doubts import CannotResend, NotInDoubt, choose_doubts
from mailer.store.engine import Connection
from mailer.store.reports import Report, report
from mailer.store.shares import ShareFigures, ShareNotFound, share_figures, shares_of
from mailer.store.stopping import PausedByItself

#: How often a page that is looked at is made anew, in seconds.
EVERY_S = 1.0
#: After so long a browser asks again, and it is looked anew whether its session lasts.
_LONGEST_S = 300.0
#: States in which something changes by itself.
MOVING = (MailingState.SCHEDULED, MailingState.FREEZING, MailingState.RUNNING)
_SHOWN_DOUBTS = 50
#: Figures of shares are as old as that at most; of a million deliveries they take a quarter of a second.
_SHARES_EVERY_S = 10.0


@dataclass
class Pace:
    """How fast a mailing goes, from one look to the next."""

    done: int = 0
    at_s: float = 0.0
    per_s: float = 0.0

    def look(self, done: int, now_s: float) -> float:
        """Return mails per second since the last look, smoothed over a few."""
        if self.at_s and now_s > self.at_s:
            latest = (done - self.done) / (now_s - self.at_s)
            self.per_s = latest if not self.per_s else 0.6 * self.per_s + 0.4 * latest
        self.done, self.at_s = done, now_s
        return self.per_s


class Watching:
    """The routes of mailings that have an hour."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        #: Row id of a mailing → when its shares were counted, and their figures.
        self._shares: dict[int, tuple[float, dict[int, ShareFigures]]] = {}

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change = Method.SEE, Method.CHANGE
        at = "/mailings/{key}"
        return (
            Route(see, f"{at}/watch", "mailing-watch", self.show, ALL_STAFF),
            Route(see, f"{at}/live", "mailing-live", self.live, ALL_STAFF),
            Route(change, f"{at}/pause", "pause-mailing", self.pause, SENDERS),
            Route(change, f"{at}/resume", "resume-mailing", self.resume, SENDERS),
            Route(change, f"{at}/cancel", "cancel-mailing", self.cancel, SENDERS),
            Route(change, f"{at}/release", "release-mailing", self.release, SENDERS),
            Route(see, f"{at}/doubts", "mailing-doubts", self.doubts, ALL_STAFF),
            Route(change, f"{at}/doubts", "mailing-doubts", self.settle, SENDERS),
        )

    def show(self, visit: Visit) -> Response:
        """Show how far it is."""
        mailing = mailing_of(visit)
        return visit.page(
            "mailing_watch.html",
            **self._values(visit, mailing, 0.0),
            moving=mailing.state in MOVING,
        )

    def _of_shares(self, connection: Connection, mailing: Mailing) -> dict[int, ShareFigures]:
        """Return the figures of the shares, which are counted, not more often than need be."""
        now = time.monotonic()
        counted_at, figures = self._shares.get(mailing.row_id, (0.0, {}))
        if not figures or mailing.state not in MOVING or now - counted_at > _SHARES_EVERY_S:
            figures = share_figures(connection, mailing.row_id)
            # Of what is looked at now: nobody needs the others.
            self._shares = {mailing.row_id: (now, figures)}
        return figures

    def _values(self, visit: Visit, mailing: Mailing, per_s: float) -> dict[str, object]:
        with self._desk.store.read() as connection:
            figures = report(connection, mailing.row_id)
            shares = shares_of(connection, mailing.row_id)
            counted = self._of_shares(connection, mailing) if shares else {}
        done = figures.to_mail - figures.open
        return {
            "mailing": mailing,
            "state_words": mailing_state(visit, mailing.state),
            "at": visit.shown(mailing.due_at, mailing.time_zone),
            "figures": figures,
            "done": done,
            "of": figures.to_mail or mailing.confirmed_count,
            "frozen": mailing.started_at is not None or figures.people > 0,
            "per_s": round(per_s, 1) if per_s < 10 else round(per_s),
            "left": self._time_left(visit, figures.open, per_s),
            "outcomes": self._outcomes(visit, figures),
            "by_way": [
                (relay, provider(visit, domain_class), answers)
                for relay, classes in sorted(figures.by_relay_and_class.items())
                for domain_class, answers in sorted(classes.items())
            ],
            "reasons": [
                (skip_reason(visit, reason), count)
                for reason, count in sorted(figures.not_mailed.items())
            ],
            "shares": [
                {
                    "zone": one.zone,
                    "at": visit.shown(one.due_at, one.zone),
                    "held": one.state is ShareState.HELD,
                    "people": one.people,
                    "open": counted[one.row_id].open if one.row_id in counted else None,
                }
                for one in shares
            ],
            "may": visit.may(StaffRole.SENDER),
            "can_pause": mailing.state in MOVING,
            "can_cancel": mailing.state in (*MOVING, MailingState.PAUSED, MailingState.HELD),
            "canary_until": visit.shown(mailing.canary_until) if mailing.canary_holds else "",
        }

    def _outcomes(self, visit: Visit, figures: Report) -> list[tuple[str, int]]:
        order = (
            DeliveryState.ACCEPTED,
            DeliveryState.REFUSED,
            DeliveryState.IN_DOUBT,
            DeliveryState.DEFERRED,
            DeliveryState.SENDING,
            DeliveryState.DUE,
            DeliveryState.CANCELLED,
        )
        return [
            (delivery_state(visit, state), figures.by_state[state])
            for state in order
            if figures.by_state.get(state)
        ]

    def _time_left(self, visit: Visit, still: int, per_s: float) -> str:
        if not still or per_s <= 0:
            return ""
        minutes = max(1, round(still / per_s / 60))
        if minutes < 120:
            return visit.catalog.plural(
                "about %(count)s minute left",
                "about %(count)s minutes left",
                minutes,
                count=minutes,
            )
        hours = round(minutes / 60)
        return visit.catalog.plural(
            "about %(count)s hour left", "about %(count)s hours left", hours, count=hours
        )

    def live(self, visit: Visit) -> Response:
        """Send the changing part of the page again and again."""
        mailing_of(visit)
        return StreamingResponse(
            self._parts(visit),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _parts(self, visit: Visit) -> AsyncIterator[str]:
        pace, last = Pace(), ""
        begun = self._desk.clock.monotonic()
        while self._desk.clock.monotonic() - begun < _LONGEST_S:
            part, moves = await to_thread.run_sync(self._part, visit, pace)
            if part != last:
                last = part
                yield f"event: part\ndata: {part.replace(chr(10), ' ')}\n\n"
            else:
                # A browser that has gone is noticed by writing to it.
                yield ": still here\n\n"
            if not moves:
                yield "event: end\ndata: end\n\n"
                return
            await asyncio.sleep(EVERY_S)

    def _part(self, visit: Visit, pace: Pace) -> tuple[str, bool]:
        mailing = mailing_of(visit)
        values = self._values(visit, mailing, pace.per_s)
        done = values["done"]
        assert isinstance(done, int)  # noqa: S101  (It was made here.)
        values["per_s"] = round(pace.look(done, self._desk.clock.monotonic()), 1)
        html = visit.desk.pages.part(visit, "_watch.html", values)
        return html, mailing.state in MOVING

    def pause(self, visit: Visit) -> Response:
        """Stop it for a while."""
        return self._change(visit, "paused", lambda key: stopping.pause(
            self._desk.workspace, visit.actor, key
        ))  # fmt: skip

    def resume(self, visit: Visit) -> Response:
        """Let it go on; one that paused by itself only where that was said."""
        anyway = visit.form.has("anyway")
        return self._change(visit, "resumed", lambda key: stopping.resume(
            self._desk.workspace, visit.actor, key, anyway=anyway
        ))  # fmt: skip

    def cancel(self, visit: Visit) -> Response:
        """End it for good, if its key was typed."""
        mailing = mailing_of(visit)
        if visit.form.text("typed") != mailing.key:
            problem = visit.say("Type %(mailing)s to cancel it for good.", mailing=mailing.key)
            values = self._values(visit, mailing, 0.0)
            return visit.page(
                "mailing_watch.html",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                **values,
                moving=False,
                problems={"typed": problem},
            )
        return self._change(visit, "cancelled", lambda key: stopping.cancel(
            self._desk.workspace, visit.actor, key
        ))  # fmt: skip

    def release(self, visit: Visit) -> Response:
        """Let what is held go: the mailing, or one share of it."""
        zone = visit.form.text("zone")

        def let_go(key: str) -> object:
            if zone:
                return stopping.release_held_shares(self._desk.workspace, visit.actor, key, zone)
            return stopping.release(self._desk.workspace, visit.actor, key)

        return self._change(visit, "released", let_go)

    def _change(self, visit: Visit, said: str, change: Callable[[str], object]) -> Response:
        mailing = mailing_of(visit)
        try:
            change(mailing.key)
        except (
            ForbiddenTransition,
            PausedByItself,
            ShareNotFound,
            stopping.ShareNotHeld,
        ):
            said = "not-any-more"
        return visit.go("mailing-watch", said=said, key=mailing.key)

    def doubts(self, visit: Visit) -> Response:
        """Show what is in doubt, and what each way to settle it can cost."""
        return self._doubts_page(visit, mailing_of(visit))

    def _doubts_page(
        self, visit: Visit, mailing: Mailing, problems: dict[str, str] | None = None
    ) -> Response:
        with self._desk.store.read() as connection:
            found = report(connection, mailing.row_id).in_doubt
        return visit.page(
            "mailing_doubts.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            mailing=mailing,
            doubts=[
                {
                    "id": one.delivery_id,
                    "since": visit.shown(one.since),
                    "relay": one.relay,
                    "why": one.why,
                    "message_id": self._desk.workspace.tokens.message_id(one.delivery_id),
                }
                for one in found[:_SHOWN_DOUBTS]
            ],
            count=len(found),
            may=visit.may(StaffRole.SENDER),
            problems=problems or {},
        )

    def settle(self, visit: Visit) -> Response:
        """Settle what was chosen, or all of it."""
        mailing, form = mailing_of(visit), visit.form
        decisions = {one.value: one for one in (Settlement.RESEND, Settlement.TAKE_AS_SENT)}
        decision = decisions.get(form.text("decision"))
        ids = {int(one) for one in form.all("delivery") if one.isdecimal()}
        if decision is None or not (ids or form.text("which") == "all"):
            problem = visit.say("Choose deliveries, and what is to become of them.")
            return self._doubts_page(visit, mailing, {"decision": problem})
        try:
            with self._desk.store.read() as connection:
                chosen = choose_doubts(connection, mailing, ids)
            settle_doubts(self._desk.workspace, visit.actor, mailing, chosen, decision)
        except NotInDoubt:
            return visit.go("mailing-doubts", said="not-any-more", key=mailing.key)
        except CannotResend as error:
            return self._doubts_page(visit, mailing, {"decision": visit.told(str(error)).html})
        return visit.go("mailing-watch", said="settled", key=mailing.key)
