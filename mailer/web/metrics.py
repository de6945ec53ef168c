"""Serve figures for Prometheus and an answer to "is all well?", on a loopback port of their own.

In: what gives the figures, and what is wrong. Out: `/metrics` in Prometheus's text format and
`/healthz`, 200 or 503 with what is wrong in words. Nothing of a supporter is in either, and neither
is ever under base_url: how many mails leave a campaign, and when, is nobody else's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mailer.events import failed
from mailer.store.engine import StoreUnavailable
from mailer.store.metrics import Metrics
from mailer.web.loopback import is_asked_here


class _Once(Collector):
    """Gives the figures of one look at the database."""

    def __init__(self, seen: Metrics) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Yield each family with its samples."""
        seen = self._seen
        outcomes = CounterMetricFamily(
            "mailer_outcomes",
            "Ends of attempts, and what came back later, since the database was made.",
            labels=("relay", "domain_class", "outcome", "reason"),
        )
        for one in seen.outcomes:
            labels = (one.relay, one.domain_class, one.ending.value, one.reason.value)
            outcomes.add_metric(labels, one.deliveries)
        yield outcomes
        waiting = GaugeMetricFamily(
            "mailer_deliveries_waiting", "Deliveries without an end, by state.", labels=("state",)
        )
        for state, count in seen.waiting.items():
            waiting.add_metric((state.value,), count)
        yield waiting
        yield GaugeMetricFamily(
            "mailer_deliveries_in_doubt", "Deliveries whose reply was lost.", value=seen.in_doubt
        )
        feedback = CounterMetricFamily(
            "mailer_feedback",
            "Deliveries that came back, each once in each way, since the database was made.",
            labels=("class", "reason"),
        )
        for (kind, reason), count in seen.feedback.items():
            feedback.add_metric((kind.value, reason.value), count)
        yield feedback
        lately = GaugeMetricFamily(
            "mailer_feedback_troubles",
            "Of the last day: tied to no mail, not understood, waiting to be acted on.",
            labels=("trouble",),
        )
        for trouble in ("unmatched", "unread", "waiting"):
            lately.add_metric((trouble,), getattr(seen.came_back, trouble))
        yield lately
        yield GaugeMetricFamily(
            "mailer_oldest_due_seconds",
            "How long the oldest delivery waits that may go out now.",
            value=seen.oldest_due_s,
        )
        mailings = GaugeMetricFamily("mailer_mailings", "Mailings, by state.", labels=("state",))
        for name, mailings_in_it in seen.mailings.items():
            mailings.add_metric((name.value,), mailings_in_it)
        yield mailings


def create_metrics_app(
    look: Callable[[], Metrics], what_is_wrong: Callable[[], list[str]]
) -> FastAPI:
    """Return the application; it answers on loopback hosts only.

    Args:
        look: gives the figures as they are now.
        what_is_wrong: says what is, in sentences; empty for nothing.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:  # noqa: ANN401  (Starlette's.)
        if not is_asked_here(request):
            return PlainTextResponse("These figures are for this machine only.", 421)
        response: Response = await call_next(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/metrics")
    def metrics() -> Response:
        registry = CollectorRegistry()
        try:
            registry.register(_Once(look()))
        except StoreUnavailable as error:
            failed("no figures: the database does not answer")
            return PlainTextResponse(f"{error.problem}.\n", 503)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @app.get("/healthz")
    def healthz() -> PlainTextResponse:
        wrong = what_is_wrong()
        if wrong:
            return PlainTextResponse("".join(f"{one}\n" for one in wrong), 503)
        return PlainTextResponse("All is well.\n")

    return app
