"""Find mail addresses in fields and in the words of reports.

In: text. Out: addresses as they are written, without names and brackets. Standards: RFC 3464 §2.1.2
(address types), RFC 6533 §3 (addresses beyond ASCII), RFC 5321 §4.1.2.
"""

from __future__ import annotations

import re

# No controls, and nothing that turns the direction of text around: addresses are shown.
_ATOM = (
    r"[^\s<>\"'(),;:\[\]@\\|\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
#: An address, from the first character of its local part on.
ADDRESS = rf"{_ATOM}{{1,128}}@(?:[A-Za-z0-9\u00a1-\u1fff\u2c00-\ud7ff](?:[A-Za-z0-9\u00a1-\u1fff\u2c00-\ud7ff_.-]{{0,253}}))"
_ADDRESS = re.compile(rf"(?<!{_ATOM}){ADDRESS}")
#: "rfc822;", and what else stands before an address in a status field; a source route.
_TYPE = re.compile(r"\A\s*[A-Za-z0-9-]{1,20}\s*;\s*")
_ROUTE = re.compile(r"\A@[A-Za-z0-9.-]{1,255}:")
# RFC 6533 §3: utf-8-addr-unitext and utf-8-addr-xtext write characters as \x{HEX}.
_UTF8_CHARACTER = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")


def addresses_in(text: str) -> list[str]:
    """Return the addresses that stand in a text, each once, in their order."""
    found: dict[str, str] = {}
    for one in _ADDRESS.finditer(text):
        address = trimmed(one[0])
        if address:
            found.setdefault(address.lower(), address)
    return list(found.values())


def trimmed(address: str) -> str:
    """Return an address without what a sentence put around it; "" when nothing is left of it."""
    local, _, domain = address.strip("<>\"' ").rpartition("@")
    local = local.rpartition("=")[2] if local.lower().startswith(("mailto:", "smtp=")) else local
    domain = domain.rstrip(".-_")
    return f"{local}@{domain}" if local and domain else ""


def address_of_field(value: str) -> str:
    """Return the address of a status field: "rfc822; anna@example.org"; "" when it holds none."""
    bare = _ROUTE.sub("", _TYPE.sub("", value, count=1), count=1).strip()
    bare = _UTF8_CHARACTER.sub(_character, bare)
    found = addresses_in(bare)
    return found[0] if found else ""


def _character(found: re.Match[str]) -> str:
    point = int(found[1], 16)
    # RFC 6533 §3 allows no surrogates.
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else ""
