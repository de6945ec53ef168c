"""Keep the certificates that Amazon SNS signs with, and trust none but its own.

In: the address of a certificate, whose host is known to be SNS of a region; a function that fetches
it by https, with a valid certificate of that host. Out: its public key. SNS serves the certificate
alone: that it is Amazon's is vouched for by the connection it comes over, and it must be in the name
of SNS of that region, valid now, and with the right chain where more stands in the file. Standards:
RFC 5280.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import NameOID

from mailer.feedback.hooks.receiving import HookUnavailable, RefusalReason, Refused

#: Certificates that are kept. Amazon has one per region and year.
_MOST_KEPT = 16
#: Addresses that anybody can make up are asked for so often and no oftener.
_MOST_FETCHES = 5
_EACH = timedelta(minutes=1)
_MOST_IN_FILE = 5
_FEWEST_BITS = 2_048

#: Fetches an address and returns what is there; raises `FetchFailed`.
Fetch = Callable[[str], bytes]


class FetchFailed(Exception):
    """Something could not be fetched; it may be there another time."""


class NotThere(Exception):
    """The server answered, and has nothing at this address."""


@dataclass(frozen=True)
class SnsHost:
    """The host of Amazon SNS in one region: no other is ever asked for anything."""

    region: str
    #: "amazonaws.com", and in China "amazonaws.com.cn".
    suffix: str

    @classmethod
    def of_topic(cls, topic: str) -> SnsHost:
        """Return the host of the region that a topic's ARN names."""
        _, partition, _, region, _, _ = topic.split(":")
        return cls(region, "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com")

    @property
    def name(self) -> str:
        """Return its name."""
        return f"sns.{self.region}.{self.suffix}"

    @property
    def signs_as(self) -> frozenset[str]:
        """Return the names that the certificate it signs with may be in.

        They differ from region to region, as Amazon's own kit for Java has them.
        """
        names = {
            self.name,
            f"sns.{self.suffix}",
            f"sns-{self.region}.{self.suffix}",
            f"sns-signing.{self.region}.{self.suffix}",
        }
        if self.region.startswith("us-gov-"):
            names.add(f"sns-us-gov-west-1.{self.suffix}")
        return frozenset(names)


@dataclass(frozen=True)
class _Kept:
    key: RSAPublicKey
    begins: datetime
    ends: datetime


class Certificates:
    """The certificates that were fetched, each once."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[str, _Kept] = {}
        self._fetched_at: list[datetime] = []
        self._lock = threading.Lock()

    def key(self, address: str, host: SnsHost, now: datetime) -> RSAPublicKey:
        """Return the key of the certificate at an address of `host`.

        Raises:
            Refused: when there is none that `host` may sign with now.
            HookUnavailable: when it cannot be fetched now.
        """
        found = self._kept.get(address)
        if found is None:
            # One at a time, so that many requests at once fetch it once.
            with self._lock:
                found = self._kept.get(address) or self._get(address, host, now)
        if not found.begins <= now <= found.ends:
            raise Refused(RefusalReason.CERTIFICATE)
        return found.key

    def _get(self, address: str, host: SnsHost, now: datetime) -> _Kept:
        self._fetched_at = [one for one in self._fetched_at if abs(now - one) < _EACH]
        if len(self._fetched_at) >= _MOST_FETCHES:
            raise HookUnavailable
        self._fetched_at.append(now)
        try:
            found = _read(self._fetch(address), host)
        except FetchFailed as error:
            raise HookUnavailable from error
        except NotThere as error:
            raise Refused(RefusalReason.CERTIFICATE) from error
        while len(self._kept) >= _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[address] = found
        return found


def _read(pem: bytes, host: SnsHost) -> _Kept:
    """Return what a file of certificates holds that `host` may sign with.

    Raises:
        Refused: when it holds nothing of the kind.
    """
    try:
        chain = x509.load_pem_x509_certificates(pem)
        is_ours = len(chain) <= _MOST_IN_FILE and not host.signs_as.isdisjoint(_names(chain[0]))
        is_chain = _is_chain(chain)
        key = chain[0].public_key()
    except (ValueError, x509.UnsupportedGeneralNameType) as error:
        raise Refused(RefusalReason.CERTIFICATE) from error
    if not (is_ours and is_chain and isinstance(key, RSAPublicKey)):
        raise Refused(RefusalReason.CERTIFICATE)
    if key.key_size < _FEWEST_BITS:
        raise Refused(RefusalReason.CERTIFICATE)
    return _Kept(
        key,
        begins=max(one.not_valid_before_utc for one in chain),
        ends=min(one.not_valid_after_utc for one in chain),
    )


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        # RFC 6125 §6.4.4: the common name counts where no other name is given.
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return {str(one.value) for one in common}
    return set(names.get_values_for_type(x509.DNSName))


def _is_chain(chain: Sequence[x509.Certificate]) -> bool:
    """Tell whether each certificate was issued by the one behind it, which may issue some."""
    for issued, issuer in itertools.pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
            constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        except (InvalidSignature, TypeError, x509.ExtensionNotFound):
            return False
        if not constraints.ca:
            return False
    return True
