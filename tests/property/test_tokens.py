"""Tokens: what is made is read, what is changed or guessed is not."""

import base64
import re

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.keys import derive
from mailer.tokens import BadToken, PersonToken, Purpose, ServiceTokens, Tokens

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
@given(delivery=ids, supporter=ids)
def test_an_unsubscribe_token_stands_in_a_mail_address(tokens, delivery, supporter):
    """46 characters whose case does not matter; one seal, in the form of links and of addresses."""
    in_link, in_mail = tokens.unsubscribe(delivery, supporter)
    assert in_link == tokens.person(Purpose.UNSUBSCRIBE, delivery, supporter)
    assert in_mail == tokens.unsubscribe_in_mail(delivery, supporter)
    assert re.fullmatch(r"[a-z2-7]{46}", in_mail)
    octets = base64.urlsafe_b64decode(in_link[1:] + "==")
    assert in_link[0] + base64.b32encode(octets).decode().rstrip("=").lower() == in_mail
    for spelling in (in_mail, in_mail.upper(), in_mail.title()):
        assert tokens.read_unsubscribe_in_mail(spelling) == PersonToken(delivery, supporter)


@quick
@given(delivery=ids, supporter=ids, at=st.integers(0, 45), to=st.sampled_from("abcxyz2357"))
def test_a_changed_unsubscribe_address_is_refused(tokens, delivery, supporter, at, to):
    """Whichever character is another one; nor is a return path's token one of these."""
    token = tokens.unsubscribe_in_mail(delivery, supporter)
    changed = token[:at] + to + token[at + 1 :]
    for other in {changed, tokens.return_path(delivery), token[:-1], token + "a"} - {token}:
        with pytest.raises(BadToken):
            tokens.read_unsubscribe_in_mail(other)


def test_the_unsubscribe_address_of_a_service_mail_names_nobody(service_keys):
    """Whoever it is made for."""
    made = ServiceTokens(service_keys)
    assert Tokens(service_keys).read_unsubscribe_in_mail(made.unsubscribe_in_mail(7, 9)) == (
        PersonToken(0, 0)
    )


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
@given(row=ids)
def test_a_links_token_is_read_again_for_its_purpose_only(tokens, row):
    """39 characters that fit an address, and neither another purpose nor another spelling passes.

    It never ends in what mail programs leave out of an address: a hyphen or an underscore.
    """
    token = tokens.link(Purpose.SIGN_UP, row)
    assert re.fullmatch(r"[A-Za-z0-9_-]{38}[A-Za-z]", token)
    assert tokens.read_link(Purpose.SIGN_UP, token) == row
    older = tokens._envelope(Purpose.SIGN_UP, row)[0]
    assert tokens.read_link(Purpose.SIGN_UP, older) == row
    for purpose in set(Purpose) - {Purpose.SIGN_UP}:
        for one in (token, older):
            with pytest.raises(BadToken):
                tokens.read_link(purpose, one)
    with pytest.raises(BadToken):
        tokens.read_link(Purpose.FEEDBACK, tokens.return_path(row))


@quick
@given(delivery=st.integers(0, 2**64 - 1), supporter=st.integers(0, 2**48 - 1))
def test_tokens_are_what_the_library_makes(service_keys, delivery, supporter):
    """AES-SIV as cryptography has it, and base32 as Python has it, from the least id to the largest."""
    tokens, key_id = Tokens(service_keys), service_keys.current_token
    root = service_keys.token_roots[key_id]

    def sealed(purpose, plain):
        names = [f"mailer/token/{purpose.value}/v1/{half}" for half in "ab"]
        cipher = AESSIV(b"".join(derive(root, name) for name in names))
        return cipher.encrypt(plain, [purpose.value.encode()])

    feedback = sealed(Purpose.FEEDBACK, delivery.to_bytes(8, "big"))
    assert tokens.feedback(delivery) == key_id + base64.urlsafe_b64encode(feedback).decode()
    base32 = base64.b32encode(feedback).decode().rstrip("=").lower()
    assert tokens.return_path(delivery) == key_id + base32
    person = (delivery % 2**48).to_bytes(6, "big") + supporter.to_bytes(6, "big")
    made = base64.urlsafe_b64encode(sealed(Purpose.UNDO, person)).decode().rstrip("=")
    assert tokens.person(Purpose.UNDO, delivery % 2**48, supporter) == key_id + made


@pytest.mark.parametrize(("delivery", "supporter"), [(2**48, 1), (1, 2**48), (-1, 1), (1, -1)])
def test_an_id_too_large_for_a_token_is_refused(tokens, delivery, supporter):
    """It would pass for somebody else's."""
    with pytest.raises(OverflowError):
        tokens.person(Purpose.UNSUBSCRIBE, delivery, supporter)


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
