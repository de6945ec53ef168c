"""Verify the DKIM signatures of a mail.

In: a mail, a resolver. Out: one `Signature` per DKIM-Signature field, valid or with the reason why
it is not. Standards: RFC 6376 §6, RFC 8463.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailer.domains.resolver import NoAnswer, Resolver

#: More than these are not looked at (RFC 6376 §6.1: a verifier may limit them).
_MOST_SIGNATURES = 10


@dataclass(frozen=True)
class Signature:
    """One DKIM-Signature field."""

    domain: str
    selector: str
    #: Names of the signed fields, in small letters.
    fields: frozenset[str]
    is_valid: bool
    #: Why it is not valid; "" when it is.
    problem: str


def _fields_of(content: bytes) -> list[dict[str, str]]:
    head = content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    unfolded = re.sub(r"\r\n[ \t]+", " ", head)
    values = re.findall(r"^dkim-signature:(.*)$", unfolded, re.IGNORECASE | re.MULTILINE)
    found = []
    for value in values[:_MOST_SIGNATURES]:
        pairs = (part.partition("=") for part in value.split(";"))
        found.append({name.strip(): "".join(text.split()) for name, _, text in pairs})
    return found


def signatures(content: bytes, resolver: Resolver) -> list[Signature]:
    """Return the signatures of a mail, each verified.

    Args:
        content: The mail, with CRLF.
        resolver: Who is asked for the keys.

    Raises:
        NoAnswer: when the DNS could not be asked.
    """
    import dkim

    away: list[NoAnswer] = []

    def key_at(name: bytes, timeout: int = 5) -> bytes | None:
        del timeout
        try:
            texts = resolver.texts(name.decode("ascii", "replace").rstrip("."))
        except NoAnswer as error:
            away.append(error)
            return None
        return texts[0].encode() if texts else None

    found = []
    for index, tags in enumerate(_fields_of(content)):
        problem = ""
        try:
            if not dkim.DKIM(content).verify(idx=index, dnsfunc=key_at):
                problem = "the mail is not what was signed"
        except dkim.DKIMException as error:
            problem = str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001  (A stranger's field may break the library.)
            problem = f"it cannot be read ({type(error).__name__})"
        if away:
            raise away[0]
        names = frozenset(name.lower() for name in tags.get("h", "").split(":") if name)
        selector, domain = tags.get("s", "?"), tags.get("d", "?").lower()
        found.append(Signature(domain, selector, names, not problem, problem))
    return found
