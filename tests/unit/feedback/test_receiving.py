"""What holds for every hook, whoever wrote it."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from mailer.feedback.hooks.documents import MOST_BYTES, NotADocument, parse
from mailer.feedback.hooks.receiving import (
    HookUnavailable,
    RefusalReason,
    Refused,
    Request,
    is_same,
    receive,
)
from mailer.model.feedback import Event, FeedbackClass

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


class Told:
    """A hook that believes everything and tells what it was given."""

    def __init__(self, *events, fault=None):
        self.told = events
        self.fault = fault

    def verify(self, request):
        """Raise what it was told to."""
        if self.fault:
            raise self.fault

    def events(self, request):
        """Return what it was given."""
        return self.told


def event(**changes):
    """An event with something changed."""
    base = {"source": "x", "event_id": "1", "at": NOW, "kind": FeedbackClass.DELIVERED}
    return Event(**{**base, **changes})


def received(**changes):
    """What is left of one event."""
    (one,) = receive("key", Told(event(**changes)), Request({}, b"{}", NOW))
    return one


def test_events_have_the_hooks_own_key_as_their_source():
    """So that no hook can speak in the name of another."""
    assert "key" == received(source="ses").source


def test_an_id_that_names_somebody_is_kept_as_a_digest():
    """Some make it of the address and the time; it goes on to tell one event from the next."""
    ids = [received(event_id=f"olena@example.org:{number}").event_id for number in (1, 2)]
    assert [64, 64] == list(map(len, ids))
    assert 2 == len(set(ids))
    assert "olena" not in "".join(ids)
    assert "0107-1:2" == received(event_id="0107-1:2").event_id


def test_words_are_scrubbed_cut_and_of_one_line():
    """A hook that forgets to does not bring an address into the database."""
    found = received(diagnostic="550 <olena@example.org>\r\nis\x00 gone " + "x" * 5_000).diagnostic
    assert found.startswith("550 <[address]> is� gone xxx")
    assert 300 == len(found)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("recipient", " Olena <olena@example.org> ", "olena@example.org"),
        ("recipient", "олена@приклад.укр", "олена@приклад.укр"),
        ("recipient", "nobody", ""), ("recipient", "a\n@example.org", ""),
        ("recipient", f"{'a' * 400}@example.org", ""),
        ("status", "5.1.1", "5.1.1"), ("status", "7.1.1", ""), ("status", "<b>", ""),
        ("message_id", " <a@example.org> ", "a@example.org"), ("message_id", "a b", ""),
        ("message_id", "<a><b>", ""), ("provider_id", "0107-1", "0107-1"),
        ("provider_id", "x" * 300, ""),
        ("tokens", ("A" * 33,), ("A" * 33,)), ("tokens", ("A" * 34, "", "x y"), ()),
        ("tokens", (f"b+{'A' * 40}@example.org",), ("a" * 40,)),
        ("tokens", ("a" * 40, "a" * 40), ("a" * 40,)),
        ("tokens", tuple(f"{number:033}" for number in range(50)),
         tuple(f"{number:033}" for number in range(10))),
        ("at", NOW + timedelta(days=1), NOW), ("at", datetime(2026, 11, 1), datetime(2026, 11, 1, tzinfo=UTC)),
        ("at", datetime(2026, 11, 20, 11, tzinfo=timezone(timedelta(hours=2))), NOW - timedelta(minutes=30)),
    ],
)  # fmt: skip
def test_what_is_not_in_its_form_is_left_out(name, value, wanted):
    """Nothing of it can break a line, a page or a command."""
    assert wanted == getattr(received(**{name: value}), name)


@pytest.mark.parametrize("event_id", ["", "a b", "ж", "x" * 201])
def test_an_event_that_could_not_be_told_from_another_is_left_out(event_id):
    """Without an id of its own it would be processed again and again."""
    assert () == receive("key", Told(event(event_id=event_id)), Request({}, b"{}", NOW))


@pytest.mark.parametrize("fault", [Refused(RefusalReason.AGE), HookUnavailable()])
def test_a_refusal_is_passed_on(fault):
    """Both have an answer of their own."""
    with pytest.raises(type(fault)):
        receive("key", Told(fault=fault), Request({}, b"{}", NOW))


def test_the_log_says_why_and_nothing_of_the_request(caplog):
    """Whoever sets a hook up needs it; nobody else is told."""
    caplog.set_level("INFO", "mailer")
    hook = Told(fault=Refused(RefusalReason.TOPIC))
    with pytest.raises(Refused):
        receive("key", hook, Request({"a": "olena@example.org"}, b'{"a": "olena"}', NOW))
    wanted = {"hook": "key", "reason": "topic"}
    assert [("webhook refused", wanted)] == [(one.msg, one.fields) for one in caplog.records]


def test_a_fault_in_a_hook_is_told_without_what_it_was_about(caplog):
    """The provider may try again when it is mended."""
    for hook in (Told(fault=ValueError("olena@example.org Olena")), Told("no event")):
        with pytest.raises(HookUnavailable):
            receive("key", hook, Request({}, b"{}", NOW))
    assert ["ValueError", "AttributeError"] == [one.fields["error"] for one in caplog.records]
    assert "lena" not in caplog.text


def test_a_large_body_is_refused_unread():
    """Whatever the hook would make of it."""
    with pytest.raises(Refused) as raised:
        receive("key", Told(), Request({}, b" " * (MOST_BYTES + 1), NOW))
    assert RefusalReason.TOO_LARGE is raised.value.reason


def test_every_refusal_looks_alike_to_who_asks():
    """The reason is a word for our own log, and holds nothing of the request."""
    assert all(one.value.replace(" ", "").isalpha() for one in RefusalReason)


@pytest.mark.parametrize("given", ["", "secre", "secret ", "SECRET", "sécret", "\ud800"])
def test_only_the_same_secret_is_the_same(given):
    """Of any length, and of any characters."""
    assert not is_same(given, "secret")
    assert is_same(given, given)


BOMBS = {
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "wide": b'{"a":[' + b"[]," * 300_000 + b"[]]}",
    "long number": b'{"a":' + b"9" * 900_000 + b"}",
    "quotes": b'{"a":"' + b'\\"' * 450_000,
    "quotes outside": b'\\"' * 450_000,
    "open string": b'"' * 900_001,
    "not UTF-8": b'{"a":"\xff"}',
    "NaN": b'{"a":NaN}',
    "a list": b"[]",
    "a text": b'"a"',
    "nothing": b"",
    "two": b"{}{}",
    "large": b'{"a":"' + b"x" * MOST_BYTES + b'"}',
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.timeout(30)
def test_what_is_no_document_of_a_providers_is_refused_quickly(name):
    """Neither depth, nor width, nor length costs much."""
    with pytest.raises(NotADocument):
        parse(BOMBS[name])


def test_brackets_in_texts_are_no_depth():
    """People write what they like."""
    document = {"a": "[" * 50_000 + '\\"{', "b": {"c": [1, 2.5, None, True]}}
    assert document == parse(json.dumps(document).encode())
