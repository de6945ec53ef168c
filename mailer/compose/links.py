"""Write web addresses in ASCII.

In: addresses as people write them, alone or in plain text. Out: addresses with hosts in A-labels and
everything else percent-encoded, which no mail program misreads. Standards: RFC 3986 §2.1,
RFC 3987 §3.1, RFC 5890 §2.3.2.1.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

#: Everything that RFC 3986 §2.2 and §2.3 let stand, and the percent sign of what is encoded.
_KEPT = "%:/?#[]@!$&'()*+,;=-._~"
_ADDRESS = re.compile(r"https?://[^\s<>\"]+")


def ascii_address(address: str) -> str:
    """Return a web address with its host in A-labels and the rest percent-encoded."""
    if address.isascii():
        return address
    parts = urlsplit(address)
    host = parts.hostname or ""
    netloc = parts.netloc.replace(host, _a_labels(host)) if host in parts.netloc else parts.netloc
    if not netloc.isascii():
        netloc = _a_labels(netloc)
    return urlunsplit(
        (
            parts.scheme,
            netloc,
            quote(parts.path, safe=_KEPT),
            quote(parts.query, safe=_KEPT),
            quote(parts.fragment, safe=_KEPT),
        )
    )


def _a_labels(host: str) -> str:
    labels = unicodedata.normalize("NFC", host.lower()).split(".")
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
        for label in labels
    )


def ascii_addresses_in(text: str) -> str:
    """Return plain text with every web address in it as `ascii_address` writes it."""
    if text.isascii():
        return text
    return _ADDRESS.sub(lambda found: ascii_address(found[0]), text)
