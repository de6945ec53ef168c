"""Read a mail address as people write it, and bring it into its normal form.

In: text from an import or a prompt. Out: a `NormalAddress` with the address to send to, the normal
form that the blind index is made of, and what pacing needs to know of the domain. The normal form
is fixed for ever: NFC, case-folded local part, lower-case A-label domain, no dot or plus folding.
Standards: RFC 5321, RFC 5890, RFC 6531, RFC 6532.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from mailer.model.domain_classes import domain_class

_LONGEST_LOCAL_BYTES = 64
_LONGEST_BYTES = 254
# Nearly every address: of such a local part the library has nothing to say, and of a domain it says
# the same each time. Asking it took a quarter of an import.
_PLAIN = re.compile(r"([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)@([a-z0-9.-]+)")


class BadAddress(Exception):
    """Not an address that mail can be sent to; says why, never what it was."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


@dataclass(frozen=True, repr=False)
class NormalAddress:
    """An address in the two forms the program keeps; its `repr` shows neither."""

    #: Local part as given (NFC), domain in lower-case A-labels: what goes into RCPT TO.
    address: str
    #: What the blind index is made of.
    normal_form: str
    #: Lower-case A-labels.
    domain: str
    #: "gmail", "mailru", …, or "other".
    domain_class: str
    #: The local part is not ASCII, so the relay must offer SMTPUTF8 (RFC 6531 §3.2).
    needs_smtputf8: bool


def has_hidden_characters(text: str) -> bool:
    """Tell whether text holds control, bidi-override or other invisible format characters."""
    # What Python prints has none, and it knows at once.
    return not text.isprintable() and any(
        unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn")
        # Persian and Kurdish words need the two joiners.
        and character not in "\u200c\u200d"
        for character in text
    )


def normalize_address(text: str) -> NormalAddress:
    """Return the forms of an address.

    Args:
        text: one address without a display name; blanks around it are dropped.

    Raises:
        BadAddress: when it cannot be one, with a reason that does not quote it.
    """
    stripped = text.strip()
    if not stripped:
        raise BadAddress("the address is empty")
    if has_hidden_characters(stripped):
        raise BadAddress("the address holds a control or invisible character")
    plain = _PLAIN.fullmatch(stripped)
    local, domain = (plain[1], _domain(plain[2])) if plain else _checked(stripped)
    # RFC 5321 §4.5.3.1: 64 octets of local part, 256 of path with its brackets.
    if (
        len(local.encode()) > _LONGEST_LOCAL_BYTES
        or len(f"{local}@{domain}".encode()) > _LONGEST_BYTES
    ):
        raise BadAddress("the address is too long")
    return NormalAddress(
        address=f"{local}@{domain}",
        normal_form=f"{fold_local_part(local)}@{domain}",
        domain=domain,
        domain_class=domain_class(domain),
        needs_smtputf8=not local.isascii(),
    )


@lru_cache(maxsize=4096)
def _domain(text: str) -> str:
    return _checked(f"a@{text}")[1]


def _checked(text: str) -> tuple[str, str]:
    """Return local part and domain of an address that may be anything."""
    try:
        checked = validate_email(
            text,
            check_deliverability=False,
            allow_smtputf8=True,
            allow_quoted_local=False,
            allow_domain_literal=False,
            test_environment=True,
        )
    except EmailNotValidError:
        # The library's sentence quotes parts of the address.
        raise BadAddress("this is not a mail address") from None
    # RFC 6532 §3.1: NFC, and never NFKC in a local part.
    return unicodedata.normalize("NFC", checked.local_part), checked.ascii_domain.lower()


def fold_local_part(local: str) -> str:
    """Return a local part as the blind index knows it: case-folded, in NFC.

    RFC 5321 §2.4 lets a host tell cases apart: for finding a person we do not, for sending we do.
    """
    # Unicode D145: folding starts from NFD, so that composed and decomposed letters agree.
    folded = unicodedata.normalize("NFD", local).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded).casefold())
