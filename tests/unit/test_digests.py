"""Digests of addresses and tokens: drawn from `service.key`, one key per purpose, fixed for ever."""

import base64
import hashlib
import hmac

import pytest

from mailer.audience.addresses import normalize_address
from mailer.keys import derive, load_service_keys
from mailer.tokens import BadToken, Purpose, Tokens

ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def keys_of(folder, text):
    """Load a `service.key` of this text."""
    path = folder / "service.key"
    path.write_text(text)
    path.chmod(0o600)
    return load_service_keys(path)


def _by_hand(root, purpose, text):
    """HKDF-SHA-256 (RFC 5869) and HMAC-SHA-256 by the letter of their definitions."""
    extracted = hmac.digest(bytes(32), root, "sha256")
    key = hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).digest()[:16]


def test_the_digest_of_an_address_is_fixed_for_ever(tmp_path):
    """Every suppression on record depends on it: a change of this value is never right."""
    text = f'index = "{ONE}"\ncurrent_token = "a"\n[tokens]\na = "{TWO}"\n'
    keys = keys_of(tmp_path, text)
    digest = keys.address_digest("anna@example.org")
    assert _by_hand(bytes([1]) * 32, "mailer/digest/address/v1", "anna@example.org") == digest
    assert "ff8bbb1be63985d7a673eb729608277a" == digest.hex()
    domain = _by_hand(bytes([1]) * 32, "mailer/digest/domain/v1", "example.org")
    assert domain == keys.domain_digest("example.org")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna@example.org", " Anna@Example.ORG "),
        ("andré@example.org", "andre\u0301@example.org"),
        ("ÅSA@example.org", "a\u030asa@example.org"),
        ("straße@example.org", "STRASSE@example.org"),
        ("анна@пример.example", "АННА@ПРИМЕР.example"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna@bücher.example", "anna@BU\u0308CHER.example"),
        ("anna@XN--BCHER-KVA.example", "anna@xn--bcher-kva.example"),
    ],
)  # fmt: skip
def test_one_person_has_one_digest_however_the_address_is_written(service_keys, one, other):
    """NFC, case-folded local part, lower-case A-label domain."""
    first, second = normalize_address(one).normal_form, normalize_address(other).normal_form
    assert service_keys.address_digest(first) == service_keys.address_digest(second)


@pytest.mark.parametrize(
    "other",
    ["an.na@example.org", "anna+news@example.org", "anna@example.net", "anna@mail.example.org"],
)
def test_dots_and_plus_signs_are_not_folded(service_keys, other):
    """What only some providers treat alike is two addresses."""
    first = service_keys.address_digest(normalize_address("anna@example.org").normal_form)
    assert first != service_keys.address_digest(normalize_address(other).normal_form)


def test_no_key_is_used_for_two_purposes(service_keys):
    """What is drawn from one root for two purposes has nothing in common."""
    root = bytes(range(32))
    purposes = ["mailer/seal/v1", "mailer/digest/address/v1", "mailer/digest/domain/v1",
                "mailer/fingerprint/v1", *(f"mailer/token/{one}/v1/a" for one in Purpose)]  # fmt: skip
    assert len(purposes) == len({derive(root, purpose) for purpose in purposes})
    assert service_keys.address_digest("example.org") != service_keys.domain_digest("example.org")


def test_a_token_made_for_one_purpose_passes_for_no_other(tokens):
    """Unsubscribe, undo, preferences, bounce and Message-ID tokens are not interchangeable."""
    persons = {one: tokens.person(one, 3, 4) for one in Purpose}
    for made_for, token in persons.items():
        for read_as in set(Purpose) - {made_for}:
            with pytest.raises(BadToken):
                tokens.read_person(read_as, token)
    for read, token in (
        (tokens.read_feedback, tokens.message_id(3)),
        (tokens.read_message_id, tokens.return_path(3)),
        (tokens.read_feedback, persons[Purpose.UNSUBSCRIBE]),
        (lambda one: tokens.read_person(Purpose.UNSUBSCRIBE, one), tokens.feedback(3)),
    ):
        with pytest.raises(BadToken):
            read(token)


def test_a_token_of_other_keys_is_refused_and_of_older_ones_read(tmp_path):
    """A new token key is added beside the old one, so that links sent long ago still work."""
    head = f'index = "{ONE}"\ncurrent_token = '
    texts = (f'{head}"a"\n[tokens]\na = "{ONE}"\n', f'{head}"b"\n[tokens]\na = "{ONE}"\nb = "{TWO}"\n',
             f'{head}"a"\n[tokens]\na = "{TWO}"\n')  # fmt: skip
    old, both, other = (Tokens(keys_of(tmp_path, text)) for text in texts)
    assert 3 == both.read_feedback(old.feedback(3))
    assert ("a", "b") == (old.feedback(3)[0], both.feedback(3)[0])
    for stranger, token in ((other, old.feedback(3)), (old, both.feedback(3))):
        with pytest.raises(BadToken):
            stranger.read_feedback(token)
