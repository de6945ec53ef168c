"""A mailing that a provider takes for spam pauses by itself, and a person lets it go on."""

import re

import pytest

from tests.acceptance.conftest import SLUG
from tests.acceptance.processes import figures, health, running, until
from tests.support.smtp_server import Misbehaviour

pytestmark = [pytest.mark.acceptance]

KEY = f"{SLUG}-1"
PLAN = ("--statement", SLUG, "--list", "crowd", "--at", "2020-01-01T09:00", "--timezone", "UTC")


class _Wary:
    """Behaves like a provider that takes the first eight mails for spam."""

    def __init__(self):
        self._minded = set()

    def __call__(self, address):
        if len(self._minded) < 8:
            self._minded.add(address)
        return Misbehaviour.REFUSE_CONTENT if address in self._minded else Misbehaviour.ACCEPT


def test_a_mailing_taken_for_spam_pauses_by_itself(mailer, crowd, relay, metrics_port, change):
    """The rest waits, staff are told and see it, and `--anyway` lets everybody else have it."""
    folder, server = crowd(70), relay(_Wary())
    change(folder / "config.toml", "canary_wait_s = 600", "canary_wait_s = 1")
    ended = mailer(folder, "schedule", *PLAN, "--grace", "99999d", "--canary", "50", "--yes", 70)
    assert 0 == ended.status, ended.text
    assert "50 go first; the other 20 follow" in ended.out
    assert "2 % refused as spam" in ended.out

    def state():
        return mailer(folder, "report", KEY, "--json").json()

    with running(folder, "--only", "web"):
        until(lambda: health(metrics_port), "the health check to answer")
        assert (503, 2) == (health(metrics_port)[0], len(health(metrics_port)[1].splitlines()))
        with running(folder, "--only", "scheduler"), running(folder, "--only", "senders") as sends:
            until(lambda: state()["state"] == "paused", "the mailing to pause")
            assert (200, "All is well.\n") == health(metrics_port)
            told = mailer(folder, "status")
            words = " ".join(told.out.split())
            assert 1 == told.status
            assert f"{KEY} paused by itself: " in words
            assert re.search(r"[6-8] of the first \d+ mails were refused as spam or by pol", words)
            refused = mailer(folder, "resume", KEY)
            assert (1, True) == (refused.status, f"mailer resume {KEY} --anyway" in refused.err)
            assert len(server.mails) <= 50 - 6
            assert 0 == mailer(folder, "resume", KEY, "--anyway").status
            until(lambda: state()["state"] == "finished", "the rest to go")
        seen = figures(metrics_port)
        log = sends.log.read_text(encoding="utf-8")
    assert {"accepted": 62, "refused": 8} == state()["by_outcome"]
    assert {"554 5.7.1": 8} == state()["refusals"]
    assert 62 == len({one.rcpt_tos for one in server.mails})
    lines = [line for line in sends.lines() if line["event"].startswith("delivery ")]
    assert (70, 70) == (len(lines), len({line["delivery"] for line in lines}))
    assert 8 == sum(line["event"] == "delivery refused" for line in lines)
    assert 'reason="spam",relay="sandbox"} 8.0' in seen
    for text in (log, seen):
        assert "example.org" not in text
        assert "person" not in text
