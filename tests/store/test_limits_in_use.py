"""What limits hold now, as a person sees them, and as senders take them up from config.toml."""

import json
import os
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from mailer.app.routing import relay_digest
from mailer.app.senders import Senders
from mailer.app.status import look_at
from mailer.app.workspace import Workspace
from mailer.cli import common, relay
from mailer.model.pacing import Pace, PaceKey, Slowed
from mailer.store import tables
from mailer.store.pacing import write_slowed
from mailer.store.relays import mark_relay_verified, relay_failed, set_relay_aside
from tests.support.clocks import NOW, FixedClock
from tests.support.workspaces import LIVE_CONFIG, lay_workspace

LIMITS = """
per_second = 10.0
per_day_plan = [200, 500]
plan_from = 2026-12-01
[[relays]]
key = "spare"
host = "smtp.example.net"
[[pacing]]
domains = "gmail"
connections = 2
"""
IN_ORDER = LIVE_CONFIG.replace("[[relays]]", 'relays = ["main", "spare"]\n[[relays]]', 1) + LIMITS


@pytest.fixture
def workspace(tmp_path, sqlite_store, service_keys):
    """A live workspace with two relays in order, both verified; the first one is in trouble."""
    lay_workspace(tmp_path, f'[database]\nurl = "sqlite:///test.db"\n{IN_ORDER}')
    opened = Workspace.open(tmp_path, FixedClock(NOW))
    opened.__dict__["store"] = sqlite_store
    with sqlite_store.write() as connection:
        for one in opened.config.relays:
            mark_relay_verified(connection, one.key, relay_digest(one))
        connection.execute(
            tables.relay_day.insert().values(relay="main", day="2026-12-01", claimed=200)
        )
        relay_failed(connection, "main", "connect: refused", NOW, times=3)
        set_relay_aside(connection, "main", NOW + timedelta(seconds=5))
        until = NOW + timedelta(minutes=15)
        write_slowed(connection, "main", PaceKey("gmail"), Slowed(8.0, 1, until, "421 4.7.0"))
        write_slowed(connection, "spare", PaceKey("other", b"d" * 16), Slowed(4.0, 1, NOW, "450"))
    return opened


def test_what_holds_now_is_seen_at_a_glance(workspace):
    """Used and whole cap, aside, paused and slowed; a single domain is not named."""
    main, spare = (one.limits for one in look_at(workspace).relays)
    assert (200, 200, False, NOW + timedelta(seconds=5)) == (
        main.today, main.cap, main.able, main.aside_until,
    )  # fmt: skip
    assert (0, None, True, None) == (spare.today, spare.cap, spare.able, spare.aside_until)
    (slowed,) = main.slowed
    assert ("gmail", 4.0, "421 4.7.0") == (slowed.domains, slowed.per_second, slowed.said)
    assert [("one domain", None, 2.0)] == [
        (one.domains, one.paused_until, one.per_second) for one in spare.slowed
    ]


def test_the_command_says_it_in_words_and_in_json(workspace, monkeypatch):
    """For people a line each."""
    monkeypatch.setattr(common, "_workspace_folder", workspace.config.root)
    monkeypatch.setattr(relay, "open_workspace", lambda: workspace)
    said = CliRunner().invoke(relay.app, ["limits"])
    assert 0 == said.exit_code, said.output
    for part in (
        "Relay main", "200 of 200 mails", "10 mails", "connections  4, shared by 0",
        "Aside: it could not be used. Tried again 2026-12-01 07:00",
        "Its cap of today is reached", "gmail paused until 2026-12-01 07:15 UTC, then 4 a second",
        "Relay spare", "0 mails", "no limit", "one domain slowed to 2 a second (450)",
    ):  # fmt: skip
        assert part in said.output, said.output
    told = json.loads(CliRunner().invoke(relay.app, ["limits", "--json"]).output)
    assert [("main", 200), ("spare", None)] == [(one["key"], one["cap"]) for one in told]


async def test_senders_take_changed_limits_up_and_nothing_of_a_faulty_file(workspace, caplog):
    """What a person verified waits for the next start; a file with faults changes nothing."""
    caplog.set_level("INFO")
    senders = Senders(workspace, 0)
    taken = []
    for engine in senders.engines:
        engine.adjust = lambda relay, routing: taken.append((relay, routing))
    path = workspace.config.root / "config.toml"

    async def change(old, new):
        taken.clear()
        path.write_text(path.read_text().replace(old, new))
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1_000_000))
        await senders.look()
        return list(taken)

    await senders.look()
    assert [] == taken
    (main, routing), (spare, _) = await change(
        "per_second = 10.0", "per_second = 20.0\nconnections = 9"
    )
    assert (9, 4, 20.0) == (main.connections, spare.connections, routing.relays["main"].per_second)
    assert Pace(connections=2) == routing.pacing.of("gmail")
    (main, routing), _ = await change('["main", "spare"]', '["spare", "main"]')
    assert ("spare", "main") == routing.orders["harbor"]
    (main, routing), _ = await change('"smtp.example.org"', '"elsewhere.example.org"')
    assert "smtp.example.org" == main.host
    assert relay_digest(workspace.config.relays[0]) == routing.relays["main"].digest
    assert "relays.main" in str([vars(one) for one in caplog.records])
    assert [] == await change("connections = 9", "connections = 0")
    await senders.look()
    assert [] == taken
    assert 1 == sum("config.toml has faults" in one.message for one in caplog.records)
