"""Taking in: whatever comes, nothing is raised and nobody without a token of ours is changed."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.model.feedback import Taken
from tests.support.bounces import corpus, message
from tests.support.came_back import World, arf, dsn, letter

quick = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_FILES = sorted(corpus())


@pytest.fixture
def world(sqlite_ground, tmp_path):
    """Anna and Boris got a mailing."""
    return World(sqlite_ground, tmp_path)


@st.composite
def _messages(draw):
    """Draw octets, a real bounce, or one of ours with a piece of it replaced."""
    kind = draw(st.sampled_from(["octets", "corpus", "dsn", "arf", "letter"]))
    if kind == "octets":
        return draw(st.binary(max_size=2_000))
    raw = {
        "corpus": lambda: message(draw(st.sampled_from(_FILES))),
        "dsn": lambda: dsn("a" * 40, "anna@example.org"),
        "arf": lambda: arf("a" * 40, "anna@example.org"),
        "letter": lambda: letter(f"u+{'a' * 46}@bounces.example.org"),
    }[kind]()
    at, length = draw(st.integers(0, len(raw))), draw(st.integers(0, 200))
    return raw[:at] + draw(st.binary(max_size=40)) + raw[at + length :]


@quick
@given(
    raw=_messages(),
    recipients=st.lists(st.text(max_size=80), max_size=2),
    sender=st.none() | st.text(max_size=20),
)
def test_nothing_is_raised_and_nobody_is_changed(world, raw, recipients, sender):
    """Taken twice it is stored once, and with other line ends it is the same."""
    first = world.taker.take(raw, recipients, sender)
    stored = len(world.rows("feedback_event"))
    again = world.taker.take(raw, recipients, sender)
    assert again is (Taken.KNOWN if first is Taken.RECORDED else first)
    plain = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    twin = world.taker.take(re.sub(rb"\n", b"\r\n", plain), recipients, sender)
    assert twin in (Taken.KNOWN, first)
    assert len(world.rows("feedback_event")) == stored
    assert world.rows("suppression") == world.rows("unsubscription") == []
