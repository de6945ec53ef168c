"""Real bounces of many mail systems are read as those who collected them read them."""

import random
import time

import pytest

from mailer.feedback.reading.reader import read
from mailer.model.feedback import FeedbackClass
from tests.support.bounces import corpus, message, with_line_feeds

CORPUS = corpus()


@pytest.fixture(scope="module")
def readings():
    """Every message of the corpus, read."""
    return {file: read(message(file)) for file in CORPUS}


def _share(right):
    return sum(right) / len(right)


def _pairs(readings, kinds):
    """Yield what is expected of a recipient and the class that was found, for classes expected."""
    for file, expected in CORPUS.items():
        found = {one.recipient.lower(): one.kind.value for one in readings[file].findings}
        for one in expected:
            if one.kind in kinds:
                alone = next(iter(found.values())) if len(found) == 1 else ""
                yield one.kind, found.get(one.recipient, alone)


def test_whoever_is_named_is_found(readings):
    """95 % of all recipients that a message names."""
    found = []
    for file, expected in CORPUS.items():
        named = {one.recipient.lower() for one in readings[file].findings}
        found += [one.recipient in named for one in expected if one.recipient]
    assert _share(found) >= 0.95


def test_hard_is_told_from_soft(readings):
    """For 93 %; one that is still being tried counts as soft."""
    right = [
        expected == ("soft" if found == "delayed" else found)
        for expected, found in _pairs(readings, {"hard", "soft"})
    ]
    assert _share(right) >= 0.93


def test_who_is_called_dead_is_dead(readings):
    """97 % of all hard verdicts: a wrong one silences a supporter."""
    judged = {"hard", "soft", "delayed", "delivered", "complaint", "auto_reply", "not_a_report"}
    right = [kind == "hard" for kind, found in _pairs(readings, judged) if found == "hard"]
    assert len(right) > 80
    assert _share(right) >= 0.97


def test_what_is_no_bounce_is_none(readings):
    """Complaints, opt-outs, auto-replies, deliveries, delays and people's mail: each of them."""
    kinds = {one.value for one in FeedbackClass} - {"hard", "soft"}
    wrong = [pair for pair in _pairs(readings, kinds) if pair[0] != pair[1]]
    assert wrong == []


def test_line_ends_change_nothing(readings):
    """CR, LF and CRLF twins of a message give the same answer."""
    differ = []
    for file, reading in readings.items():
        plain = with_line_feeds(message(file))
        twins = [plain.replace(b"\n", b"\r\n"), plain.replace(b"\n", b"\r")]
        if any(read(twin) != reading for twin in twins):
            differ.append(file)
    assert differ == []


def test_damaged_messages_are_read_too():
    """Octets lost, doubled, changed or taken from another: no exception, and no long thought."""
    chance = random.Random(1)
    files = sorted(CORPUS)
    for _ in range(200):
        damaged = bytearray(message(chance.choice(files)))
        for _ in range(chance.randint(1, 20)):
            at = chance.randrange(len(damaged) + 1)
            other = message(chance.choice(files))
            start = chance.randrange(len(other))
            match chance.randrange(4):
                case 0:
                    del damaged[at : at + chance.randint(1, 300)]
                case 1:
                    damaged[at:at] = other[start : start + chance.randint(1, 3000)]
                case 2:
                    damaged[at : at + 1] = bytes([chance.randrange(256)])
                case _:
                    del damaged[at:]
        assert read(bytes(damaged)).findings


def test_each_is_read_in_a_moment():
    """Less than 50 ms of the processor."""
    slow = []
    for file in CORPUS:
        raw = message(file)
        # A busy machine may count somebody else's time once.
        if _taken_s(raw) >= 0.05 and _taken_s(raw) >= 0.05:
            slow.append(file)
    assert slow == []


def _taken_s(raw):
    start = time.process_time()
    read(raw)
    return time.process_time() - start
