"""Read mails apart and compare them parsed, with wildcards where each run has its own value.

A mail becomes a plain structure (`parse`), the same for two mails that say the same: headers in
order, the tree of parts, decoded contents. `assert_same_mail` compares it with a golden file, in
which `*` stands for anything, so that dates, ids and boundaries need no care. With the environment
variable GOLDEN=write golden files are written anew, to be looked at before they are committed.
"""

from __future__ import annotations

import email
import email.policy
import fnmatch
import json
import os
import re
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any

#: Headers whose values are new in every run.
WILD = ("Date", "Message-ID", "DKIM-Signature", "List-Unsubscribe")
_BOUNDARY = re.compile(r'boundary="?[^";]+"?')


def message(content: bytes) -> EmailMessage:
    """Return the mail as the standard library reads it; a defect in it is an error."""
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    for part in parsed.walk():
        assert part.defects == [], part.defects
    return parsed


def html_of(content: bytes) -> str:
    """Return the decoded HTML part."""
    part = message(content).get_body(("html",))
    assert part is not None, "the mail has no HTML part"
    return str(part.get_content())


def text_of(content: bytes) -> str:
    """Return the decoded text part."""
    part = message(content).get_body(("plain",))
    assert part is not None, "the mail has no text part"
    return str(part.get_content())


def pictures_of(content: bytes) -> dict[str, bytes]:
    """Return the pictures by their content ids, without angle brackets."""
    return {
        str(part["Content-ID"]).strip("<>"): part.get_payload(decode=True)
        for part in message(content).walk()
        if part.get_content_maintype() == "image"
    }


def raw_headers(content: bytes) -> list[tuple[str, str]]:
    """Return names and values as they are on the wire, folds included."""
    head = content.split(b"\r\n\r\n", 1)[0].decode()
    unfolded = re.findall(r"^([!-9;-~]+):([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", head, re.MULTILINE)
    return [(name, value.strip(" ")) for name, value in unfolded]


def header(content: bytes, name: str) -> str:
    """Return the one header of that name, unfolded; more or none is an error."""
    values = [value for key, value in raw_headers(content) if key.lower() == name.lower()]
    assert len(values) == 1, f"{len(values)} headers {name}"
    return re.sub(r"\r\n(?=[ \t])", "", values[0])


def parse(content: bytes, wild: Sequence[str] = WILD) -> dict[str, Any]:
    """Return the mail as a structure of plain values; `wild` headers become `*`."""
    return _part(message(content), frozenset(name.lower() for name in wild))


def _part(part: EmailMessage, wild: frozenset[str]) -> dict[str, Any]:
    headers = []
    for name, value in part.items():
        shown = "*" if name.lower() in wild else _BOUNDARY.sub('boundary="*"', str(value))
        headers.append(f"{name}: {shown}")
    found: dict[str, Any] = {"headers": headers}
    if part.is_multipart():
        found["parts"] = [_part(one, wild) for one in part.iter_parts()]
    elif part.get_content_maintype() == "text":
        found["text"] = str(part.get_content()).splitlines()
    else:
        found["octets"] = len(part.get_payload(decode=True))
    return found


def assert_same(expected: Any, actual: Any, place: str = "mail") -> None:
    """Compare two structures; where `expected` holds `*`, anything may stand."""
    if isinstance(expected, str) and isinstance(actual, str):
        # Square brackets mean themselves: only the asterisk is wild.
        pattern = expected.replace("[", "[[]").replace("?", "[?]")
        assert fnmatch.fnmatchcase(actual, pattern), f"{place}: {actual!r} is not {expected!r}"
    elif isinstance(expected, Mapping) and isinstance(actual, Mapping):
        assert list(expected) == list(actual), place
        for key, value in expected.items():
            assert_same(value, actual[key], f"{place}.{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        for number, (one, other) in enumerate(zip(expected, actual, strict=False)):
            assert_same(one, other, f"{place}[{number}]")
        assert len(expected) == len(actual), f"{place}: {expected} is not {actual}"
    else:
        assert expected == actual, place


def assert_same_mail(golden: Path, content: bytes, wild: Sequence[str] = WILD) -> None:
    """Compare a mail with the golden file; GOLDEN=write in the environment writes it instead."""
    actual = parse(content, wild)
    if os.environ.get("GOLDEN") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(actual, ensure_ascii=False, indent=1)
        golden.write_text(text + "\n", encoding="utf-8")
        return
    assert golden.exists(), f"there is no {golden.name}; write it: GOLDEN=write make test"
    assert_same(json.loads(golden.read_text(encoding="utf-8")), actual)


def assert_wire_form(content: bytes) -> None:
    """Hold the bytes against the limits of the wire: CRLF, 7-bit, lines, one of each header."""
    # RFC 5321 §2.3.8: CR and LF stand together only.
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    assert content.isascii(), "8-bit octets on the wire"
    assert b"\0" not in content
    # RFC 5322 §2.1.1: at most 998 octets and CRLF.
    assert max(map(len, content.split(b"\r\n"))) <= 998
    names = [name.lower() for name, _ in raw_headers(content)]
    repeatable = {"dkim-signature"}
    # RFC 5322 §3.6, RFC 2369 §3: none of them twice.
    twice = {name for name in names if names.count(name) > 1} - repeatable
    assert twice == set()
    # RFC 2047 §5: no encoded-word inside an address or an identifier.
    for name, value in raw_headers(content):
        inside = re.findall(r"<[^>]*>", value)
        assert [one for one in inside if "=?" in one] == [], name
