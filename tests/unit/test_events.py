"""Log lines: one JSON object each, and nobody's address in any of them."""

import io
import json
import logging
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.events import (
    STRUCK,
    configure_logging,
    emit,
    emit_each,
    failed,
    scrub,
    show_warnings,
    warn,
)

ADDRESS = "anna.yelkina@mail.example.org"


@pytest.fixture
def written(monkeypatch):
    """Standard error while logging is as the program sets it up; it is put back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("mailer")
    before = root.handlers[:], root.level, ours.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(process="test")
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.fixture
def shown(written):
    """Standard error as a command in the foreground has it."""
    logging.getLogger().handlers.clear()
    written.truncate(0)
    written.seek(0)
    show_warnings()
    return written


def test_a_command_says_in_words_what_happened(shown):
    """With its fields, in one line, without a traceback or an address."""
    warn("mailing held", mailing="her-rights-1", reason=f"550 {ADDRESS}")
    try:
        raise ValueError(f"refused {ADDRESS}")
    except ValueError:
        failed("outcomes kept back", waiting=3)
    assert [
        f"mailing held, mailing her-rights-1, reason 550 {STRUCK}",
        f"outcomes kept back, waiting 3, ValueError: refused {STRUCK}",
    ] == shown.getvalue().splitlines()


def lines(written):
    """Return the lines that were logged, read as JSON."""
    return [json.loads(line) for line in written.getvalue().split("\n") if line]


def test_a_line_says_when_how_grave_and_what(written):
    """Fields keep their types; the first line names the process."""
    emit("mailing started", mailing="her-rights-1", deliveries=500, clean=True, rate=2.5)
    first, second = lines(written)
    assert ("started", "test") == (first["event"], first["process"])
    assert second.pop("at").endswith("+00:00")
    assert {
        "level": "info",
        "event": "mailing started",
        "mailing": "her-rights-1",
        "deliveries": 500,
        "clean": True,
        "rate": 2.5,
    } == second


def test_many_things_at_once_have_a_line_each(written):
    """As if each had been logged by itself; signs that JSON or a format minds do no harm."""
    emit_each("delivery 5% off", ("delivery", "relay"), [(7, 'ma"in'), (8, "100%s\n")])
    emit_each("nothing", ("delivery",), [])
    _, first, second = lines(written)
    assert first.pop("at").endswith("+00:00")
    assert {"level": "info", "event": "delivery 5% off", "delivery": 7, "relay": 'ma"in'} == first
    assert (8, "100%s\n") == (second["delivery"], second["relay"])


def test_an_address_among_many_things_is_struck_out(written):
    """In its line, and the others stay as they are."""
    emit_each("odd", ("delivery", "relay"), [(7, ADDRESS), (8, "main")])
    assert "anna" not in written.getvalue()
    assert "main" == lines(written)[-1]["relay"]


@pytest.mark.parametrize(
    "text",
    [
        ADDRESS,
        f"<{ADDRESS}>",
        f"Anna <{ADDRESS}>, and others",
        f"mailto:{ADDRESS}?subject=x",
        f"RCPT TO:<{ADDRESS}>",
        f"('{ADDRESS}', 550)",
        f"to={ADDRESS};",
        "анна@пример.example",
        "anna+news@localhost",
        "o'neil@example.org",
    ],
)
def test_whatever_looks_like_an_address_is_struck_out(written, text):
    """In the message, in fields of any kind, and in what libraries raise."""
    warn(f"refused {text}", reply=f"550 {text}", people=[text], table={"to": written})
    try:
        raise ValueError(f"cannot send to {text}")
    except ValueError as error:
        try:
            raise RuntimeError(text) from error
        except RuntimeError:
            failed("sending failed", who=text)
    logging.getLogger("somebody.else").warning("no such user: %s", text)
    found = lines(written)
    assert 4 == len(found)
    told = json.dumps(found, ensure_ascii=False)
    assert "@" not in told
    assert "example" not in told
    assert 7 <= told.count(STRUCK)


def test_an_exception_is_told_with_its_cause_on_the_same_line(written):
    """Kind and place of it stay readable."""
    try:
        raise KeyError("first\nsecond")
    except KeyError:
        failed("it broke", step="claim")
    _, line = lines(written)
    assert ("error", "it broke", "claim") == (line["level"], line["event"], line["step"])
    assert "KeyError" in line["error"]
    assert "test_events.py" in line["error"]
    assert "\n" not in line["error"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_text_of_many_lines_is_one_line(written, end):
    """Nobody forges a second entry by what a relay replies."""
    warn(f"one{end}two", reply=f'250 ok{end}{{"event": "forged"}}')
    found = lines(written)
    assert 2 == len(found)
    assert ("one two", '250 ok {"event": "forged"}') == (found[1]["event"], found[1]["reply"])


def test_control_characters_reach_no_terminal(written):
    """Neither from a log nor from where a relay's words are shown."""
    warn("\x1b[31mred\x07")
    assert "\ufffd[31mred\ufffd" == lines(written)[1]["event"]


def test_what_is_scrubbed_can_be_stored():
    """Octets that are no UTF-8 come from a library as halves of characters; NUL comes as it is."""
    said = "доступ запрещён\0".encode("cp1251").decode("utf-8", "surrogateescape")
    assert "\ufffd" * 6 + " " + "\ufffd" * 9 == scrub(said)


def test_what_libraries_chat_about_is_left_out(written):
    """Only their warnings are kept; ours are kept from `info` on."""
    logging.getLogger("somebody.else").info("hello")
    logging.getLogger("mailer").debug("hello")
    assert ["started"] == [line["event"] for line in lines(written)]


@settings(deadline=None)
@given(st.text(), st.text(alphabet="abcяé0.-+_", min_size=1), st.text())
def test_scrubbed_text_is_one_line_and_has_no_local_part(before, local, after):
    """Whatever stands around an address: it is gone, and no line break is left."""
    scrubbed = scrub(f"{before} {local}qqq@example.org {after}")
    assert "qqq" not in scrubbed.replace(scrub(before), "").replace(scrub(after), "")
    assert 1 >= len(scrubbed.splitlines())
    assert scrubbed == scrub(scrubbed)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('unknown user: "Anna.Yelkina"', f'unknown user: "{STRUCK}"'),
        (
            f"550 5.1.1 {ADDRESS}: anna.yelkina is unknown",
            f"550 5.1.1 {STRUCK}: {STRUCK} is unknown",
        ),
        ("550 anna.yelkinas mailbox, anna", "550 anna.yelkinas mailbox, anna"),
    ],
)
def test_a_person_is_struck_out_who_is_named_without_a_domain(said, kept):
    """Mail systems say so of their own users; what is another word stays."""
    assert kept == scrub(said, ADDRESS, "")
    assert scrub("no user at all", "at@example.org", "a+(b@example.org") == "no user at all"
