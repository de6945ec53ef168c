"""Tokens: what is made is read, what is changed or guessed is not."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.tokens import BadToken, PersonToken, Purpose

ids = st.integers(1, 2**47)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@quick
@given(delivery=ids, supporter=ids)
def test_a_persons_token_is_read_again_for_its_purpose_only(tokens, delivery, supporter):
    """39 characters that fit an address, and no other purpose reads them."""
    token = tokens.person(Purpose.UNSUBSCRIBE, delivery, supporter)
    assert re.fullmatch(r"[A-Za-z0-9_-]{39}", token)
    assert tokens.read_person(Purpose.UNSUBSCRIBE, token) == PersonToken(delivery, supporter)
    for purpose in set(Purpose) - {Purpose.UNSUBSCRIBE}:
        with pytest.raises(BadToken):
            tokens.read_person(purpose, token)


@quick
@given(delivery=ids)
def test_a_feedback_token_survives_mail_systems(tokens, delivery):
    """33 characters; the case of a return path does not matter."""
    assert len(tokens.feedback(delivery)) == 33
    path = tokens.return_path(delivery)
    assert path == path.lower()
    assert tokens.read_feedback(path.upper()) == delivery
    assert tokens.read_message_id(tokens.message_id(delivery)) == delivery


@quick
@given(delivery=ids, supporter=ids, at=st.integers(0, 38), to=st.sampled_from("abcXYZ019-_"))
def test_a_changed_token_is_refused(tokens, delivery, supporter, at, to):
    """Whichever character is another one."""
    token = tokens.person(Purpose.UNSUBSCRIBE, delivery, supporter)
    changed = token[:at] + to + token[at + 1 :]
    if changed == token:
        return
    with pytest.raises(BadToken):
        tokens.read_person(Purpose.UNSUBSCRIBE, changed)


@quick
@given(text=st.text(max_size=60))
def test_whatever_is_guessed_is_refused(tokens, text):
    """By the same error, for any text."""
    with pytest.raises(BadToken):
        tokens.read_person(Purpose.UNSUBSCRIBE, text)
    with pytest.raises(BadToken):
        tokens.read_feedback(text)
