"""The key files, and what is sealed with them."""

import base64
import re
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer.keys import (
    KeyFileError,
    WrongSealKey,
    create_seal_key,
    create_service_key,
    load_seal_keys,
    load_service_keys,
)
from mailer.tokens import Tokens

ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
SHORT = base64.b64encode(bytes(31)).decode()
BOTH = pytest.mark.parametrize(
    ("name", "create", "load"),
    [
        ("seal.key", create_seal_key, load_seal_keys),
        ("service.key", create_service_key, load_service_keys),
    ],
    ids=["seal", "service"],
)
PLACE = ("supporter", "address_sealed", 7)


def write(path, text, mode=0o600):
    """Write a key file."""
    path.write_text(text)
    path.chmod(mode)
    return path


def seal_keys_of(folder, text):
    """Load a `seal.key` of this text."""
    return load_seal_keys(write(folder / "seal.key", text))


@BOTH
def test_a_new_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path, name, create, load):
    """Mode 0600, a word on keeping a copy, and the second attempt changes nothing."""
    path = tmp_path / name
    create(path)
    before = path.read_text()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert "Keep a copy" in before
    with pytest.raises(FileExistsError):
        create(path)
    assert before == path.read_text()
    assert re.fullmatch("[0-9a-f]{16}", load(path).fingerprint)


@BOTH
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o610, 0o777])
def test_a_key_file_open_to_others_is_refused(tmp_path, name, create, load, mode):
    """The message is the command that mends it."""
    create(tmp_path / name)
    (tmp_path / name).chmod(mode)
    with pytest.raises(KeyFileError) as raised:
        load(tmp_path / name)
    assert f"{name}: is open to other users. Run: chmod 600 {name}." == str(raised.value)


@BOTH
def test_a_key_file_that_only_its_owner_may_read_is_enough(tmp_path, name, create, load):
    """It need not be writable."""
    create(tmp_path / name)
    (tmp_path / name).chmod(0o400)
    assert load(tmp_path / name).fingerprint


@BOTH
def test_a_missing_key_file_is_said_plainly(tmp_path, name, create, load):
    """What is missing, and that a copy is the only way back."""
    with pytest.raises(KeyFileError) as raised:
        load(tmp_path / name)
    assert str(raised.value).startswith(f"{name}: is missing. Put it back from your copy")
    (tmp_path / name).mkdir(mode=0o700)
    with pytest.raises(KeyFileError) as raised:
        load(tmp_path / name)
    assert "cannot be read" == raised.value.problem


@BOTH
@pytest.mark.parametrize("text", ["", "current = 1\n", "not toml", "[keys]\n[tokens]\n", "\0" * 99])
def test_a_damaged_key_file_is_said_plainly(tmp_path, name, create, load, text):
    """Empty, cut off, or something else: it is damaged, and what to do is said."""
    with pytest.raises(KeyFileError) as raised:
        load(write(tmp_path / name, text))
    assert raised.value.problem.startswith("is damaged")
    assert "Put it back" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        f'current = 1\n[keys]\n1 = "{SHORT}"\n',
        'current = 1\n[keys]\n1 = "not base64 at all!"\n',
        "current = 1\n[keys]\n1 = 5\n",
        f'current = 2\n[keys]\n1 = "{ONE}"\n',
        f'current = "1"\n[keys]\n1 = "{ONE}"\n',
        f'current = 1\n[keys]\nfirst = "{ONE}"\n',
        f'current = 256\n[keys]\n256 = "{ONE}"\n',
        f'current = 0\n[keys]\n0 = "{ONE}"\n',
    ],
)
def test_a_seal_key_of_another_shape_is_damaged(tmp_path, text):
    """32 bytes each, an id of one byte, and a current one that is there."""
    with pytest.raises(KeyFileError) as raised:
        seal_keys_of(tmp_path, text)
    assert raised.value.problem.startswith("is damaged: ")
    assert ONE not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        f'index = "{SHORT}"\ncurrent_token = "a"\n[tokens]\na = "{ONE}"\n',
        f'index = "{ONE}"\ncurrent_token = "a"\n[tokens]\na = "{SHORT}"\n',
        f'index = "{ONE}"\ncurrent_token = "b"\n[tokens]\na = "{ONE}"\n',
        f'index = "{ONE}"\ncurrent_token = "ab"\n[tokens]\nab = "{ONE}"\n',
        f'current_token = "a"\n[tokens]\na = "{ONE}"\n',
    ],
)
def test_a_service_key_of_another_shape_is_damaged(tmp_path, text):
    """An index, and tokens of one letter each with a current one that is there."""
    with pytest.raises(KeyFileError) as raised:
        load_service_keys(write(tmp_path / "service.key", text))
    assert raised.value.problem.startswith("is damaged: ")
    assert ONE not in str(raised.value)


@pytest.mark.parametrize("value", ["", "anna@example.org", "Анна Ёлкина", "نرگس", "x" * 100_000])
def test_what_is_sealed_is_opened_in_its_place(seal_keys, value):
    """Any text comes back, and none of it stands in the sealed bytes."""
    sealed = seal_keys.seal(value, *PLACE)
    assert value == seal_keys.unseal(sealed, *PLACE)
    assert not value or value.encode() not in sealed


def test_sealing_twice_gives_two_values(seal_keys):
    """Nobody sees from two sealed values that they are the same."""
    assert seal_keys.seal("anna", *PLACE) != seal_keys.seal("anna", *PLACE)


@pytest.mark.parametrize(
    "place",
    [
        ("signatory", "address_sealed", 7),
        ("supporter", "fields_sealed", 7),
        ("supporter", "address_sealed", 8),
        ("supporter", "address_sealed|7", 7),
    ],
)
def test_a_sealed_value_opens_nowhere_else(seal_keys, place):
    """Moved to another table, column or row it is refused, and the error names the place."""
    sealed = seal_keys.seal("anna@example.org", *PLACE)
    with pytest.raises(WrongSealKey) as raised:
        seal_keys.unseal(sealed, *place)
    assert place == (raised.value.table, raised.value.column, raised.value.row_id)
    assert "anna" not in str(raised.value)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_sealed_value_with_a_bit_changed_or_cut_does_not_open(seal_keys, data):
    """Whatever byte it is: key id, nonce, text or tag."""
    sealed = seal_keys.seal("anna@example.org", *PLACE)
    place = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytearray(sealed)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(changed), sealed[:place]):
        with pytest.raises(WrongSealKey):
            seal_keys.unseal(damaged, *PLACE)


def test_another_key_is_refused_in_words_a_person_can_act_on(seal_keys, tmp_path):
    """Which value does not open, and which file is to be put back."""
    create_seal_key(tmp_path / "seal.key")
    with pytest.raises(WrongSealKey) as raised:
        load_seal_keys(tmp_path / "seal.key").unseal(seal_keys.seal("anna", *PLACE), *PLACE)
    assert str(raised.value).startswith(
        "supporter.address_sealed of row 7 does not open with this seal.key. Put back the seal.key"
    )


def test_the_newest_key_seals_and_the_older_ones_still_open(tmp_path):
    """The first byte is the key's id; a key that was taken out opens nothing more."""
    old = seal_keys_of(tmp_path, f'current = 1\n[keys]\n1 = "{ONE}"\n')
    both = seal_keys_of(tmp_path, f'current = 200\n[keys]\n1 = "{ONE}"\n200 = "{TWO}"\n')
    new = seal_keys_of(tmp_path, f'current = 200\n[keys]\n200 = "{TWO}"\n')
    sealed_then, sealed_now = old.seal("anna", *PLACE), both.seal("anna", *PLACE)
    assert (1, 200) == (sealed_then[0], sealed_now[0])
    assert ("anna", "anna") == tuple(both.unseal(one, *PLACE) for one in (sealed_then, sealed_now))
    with pytest.raises(WrongSealKey):
        new.unseal(sealed_then, *PLACE)
    assert old.fingerprint == both.fingerprint


def test_keys_are_never_printed(tmp_path):
    """Neither a root nor what is drawn from it is in the `repr` of what was loaded."""
    seal = seal_keys_of(tmp_path, f'current = 1\n[keys]\n1 = "{ONE}"\n')
    text = f'index = "{ONE}"\ncurrent_token = "a"\n[tokens]\na = "{ONE}"\n'
    service = load_service_keys(write(tmp_path / "service.key", text))
    printed = f"{seal!r} {seal} {service!r} {service} {Tokens(service)!r}"
    for secret in (ONE, repr(bytes([1]) * 32), repr(service.address_index), seal.fingerprint):
        assert secret not in printed


def test_fingerprints_tell_keys_apart_and_nothing_else(tmp_path):
    """The same file gives the same one, another file another, and no key can be made from it."""
    files = [write(tmp_path / f"{one}.key", f'current = 1\n[keys]\n1 = "{one}"\n')
             for one in ("x" * 43 + "=", "y" * 43 + "=")]  # fmt: skip
    prints = [load_seal_keys(path).fingerprint for path in (*files, files[0])]
    assert prints[0] == prints[2]
    assert prints[0] != prints[1]
