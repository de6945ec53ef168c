"""Staff see what came back: of a person, of a mailing, of the last day, and in figures."""

from datetime import timedelta

import pytest

from mailer.app.documents import returned_document
from mailer.cli.coming_back import (
    came_back_line,
    evidence_document,
    print_evidence,
    print_returned,
)
from mailer.store.feedback import came_back, evidence_of
from mailer.store.metrics import metrics
from mailer.store.reports import report
from mailer.web.metrics import create_metrics_app
from tests.support.came_back import FULL, World, arf, dsn
from tests.support.public_web import serve_app

HOSTILE = ("5.1.1", "550 5.1.1 [red]gone[/red] <script>alert(1)</script>")


@pytest.fixture
def world(ground, tmp_path):
    """A hard bounce, a complaint, a full mailbox, one tied to nothing, and one not understood."""
    made = World(ground, tmp_path)
    made.deliveries["clara"] = made.deliver("clara")
    take = made.taker.take
    take(dsn(made.token("anna"), "anna@example.org", HOSTILE, number=1))
    take(dsn(made.token("boris"), "boris@example.org", FULL, number=2))
    take(arf(made.tokens.message_id(made.deliveries["clara"]), "clara@example.org"))
    take(dsn("", "nobody@example.net", number=3))
    take(b"Return-Path: <>\r\nFrom: MAILER-DAEMON\r\nSubject: failure\r\n\r\nDelivery failed.\r\n")
    return made


def test_a_persons_evidence_is_shown(world, capsys):
    """Kind, reason, status, words, what tied it to a mail, and what was done; words are words."""
    with world.store.read() as connection:
        (found,) = evidence_document(evidence_of(connection, world.digest(), 9), "UTC")
    assert found == {
        "at": "2026-12-01 07:00 UTC",
        "by": "mail",
        "class": "hard",
        "reason": "unknown_user",
        "status": "5.1.1",
        "smtp_code": 550,
        "diagnostic": found["diagnostic"],
        "matched_by": "verp",
        "effect": "suppressed",
    }
    print_evidence([found])
    shown = capsys.readouterr().out
    assert "hard unknown user 5.1.1, tied by verp; suppressed" in shown
    assert "[red]gone[/red] <script>" in shown
    assert "example.org" not in shown


def test_a_mailing_s_report_counts_what_came_back(world, capsys):
    """By reason, and complaints; from counts that stay when the findings are cleared away."""
    with world.store.read() as connection:
        found = report(connection, world.mailing.row_id).returned
    assert returned_document(found) == {
        "bounces": {"hard": {"unknown_user": 1}, "soft": {"mailbox_full": 1}},
        "complaints": 1,
        "opt_outs": 0,
    }
    print_returned(found)
    shown = capsys.readouterr().out
    assert "dead: 1 (1 unknown user)" in shown
    assert "reported as abuse: 1" in shown


def test_the_last_day_is_counted(world):
    """What was tied to no mail, and what was not understood, by itself; the day before is not in it."""
    now = world.clock.now()
    with world.store.read() as connection:
        lately = came_back(connection, now - timedelta(days=1))
        later = came_back(connection, now + timedelta(seconds=1))
    assert (lately.unmatched, lately.unread, lately.waiting) == (1, 1, 0)
    line = came_back_line(lately)
    assert "1 complaint" in line
    assert "1 tied to no mail, 1 not understood" in line
    assert came_back_line(later) == ""


def test_figures_tell_of_it(world):
    """Counted by class and reason, without anybody in it."""

    def look():
        with world.store.read() as connection:
            return metrics(connection, world.clock.now())

    with serve_app(create_metrics_app(look, list)) as site, site.visitor() as visitor:
        told = visitor.get("/metrics").text
    assert 'mailer_feedback_total{class="hard",reason="unknown_user"} 1.0' in told
    assert 'mailer_feedback_troubles{trouble="unread"} 1.0' in told
    assert 'outcome="bounced",reason="address"' in told
    assert "example" not in told
