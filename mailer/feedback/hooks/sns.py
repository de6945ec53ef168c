"""Verify messages of Amazon SNS, and confirm its subscriptions.

In: the object that SNS posts, the topics that are ours. Out: `Refused`, or nothing. What a stranger
can write is never fetched: a host is made of the topic's region, and an address of SNS of what was
checked. Standards: Amazon's "Verifying the signatures of Amazon SNS messages", RFC 8017.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from mailer.feedback.hooks.certificates import (
    Certificates,
    Fetch,
    FetchFailed,
    NotThere,
    SnsHost,
)
from mailer.feedback.hooks.documents import at, moment
from mailer.feedback.hooks.receiving import HookUnavailable, RefusalReason, Refused

NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"
UNSUBSCRIPTION = "UnsubscribeConfirmation"
_CONFIRMING = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
#: Type → the fields its signature covers, in the order in which they are signed.
_SIGNED: Mapping[str, tuple[str, ...]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: _CONFIRMING,
    UNSUBSCRIPTION: _CONFIRMING,
}
#: Not signed where it is not there.
_OPTIONAL = "Subject"
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    # A topic's default. A collision would have to be made by Amazon, who writes what is signed.
    "1": hashes.SHA1(),  # noqa: S303
    "2": hashes.SHA256(),
}
#: SNS tries for an hour to deliver a message, whose time stays the same.
_OLDEST = timedelta(hours=24)
_CLOCKS_DIFFER = timedelta(minutes=15)
_CERTIFICATE_PATH = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem")
_CONFIRMATION_TOKEN = re.compile(r"[0-9a-f]{64,1000}")


class SnsTopics:
    """The topics that are ours; messages of any other are forged, however well signed."""

    def __init__(self, topics: frozenset[str], fetch: Fetch) -> None:
        """Take the topics' ARNs, and what fetches an address of SNS."""
        self._topics = topics
        self._fetch = fetch
        self._certificates = Certificates(fetch)

    def verify(self, message: Mapping[str, object], now: datetime) -> None:
        """Return only when SNS has signed this message lately, and it is of one of the topics.

        Raises:
            Refused: when it has not.
            HookUnavailable: when the certificate cannot be fetched now.
        """
        topic = _whole(message, "TopicArn")
        # Before anything is fetched: anybody can have a topic, with true signatures of Amazon's.
        if topic not in self._topics:
            raise Refused(RefusalReason.TOPIC)
        published_at = moment(message.get("Timestamp"), now + 2 * _CLOCKS_DIFFER)
        if not now - _OLDEST <= published_at <= now + _CLOCKS_DIFFER:
            raise Refused(RefusalReason.AGE)
        signed, signature = _canonical(message), _signature(message)
        algorithm = _HASHES.get(_whole(message, "SignatureVersion"))
        if algorithm is None:
            raise Refused(RefusalReason.SIGNATURE)
        host = SnsHost.of_topic(topic)
        key = self._certificates.key(_certificate_address(message, host), host, now)
        try:
            key.verify(signature, signed, PKCS1v15(), algorithm)
        except InvalidSignature as error:
            raise Refused(RefusalReason.SIGNATURE) from error

    def confirm(self, message: Mapping[str, object]) -> None:
        """Confirm the subscription that a verified message asks to confirm.

        SubscribeURL is not looked at: the request is made of the topic and the token.

        Raises:
            Refused: when the token is none.
            HookUnavailable: when SNS cannot be reached now, or does not take it.
        """
        topic, token = _whole(message, "TopicArn"), _whole(message, "Token")
        if topic not in self._topics or not _CONFIRMATION_TOKEN.fullmatch(token):
            raise Refused(RefusalReason.TOPIC)
        host = SnsHost.of_topic(topic).name
        # As SNS itself writes it; there is nothing in either that would have to be quoted.
        asked = f"Action=ConfirmSubscription&TopicArn={topic}&Token={token}"
        try:
            self._fetch(f"https://{host}/?{asked}")
        except (FetchFailed, NotThere) as error:
            raise HookUnavailable from error


def _whole(message: Mapping[str, object], name: str) -> str:
    """Return a text of the message uncut; "" where there is none."""
    found = at(message, name)
    return found if isinstance(found, str) else ""


def _canonical(message: Mapping[str, object]) -> bytes:
    """Return what the signature covers: names and values, each with a line end."""
    names = _SIGNED.get(_whole(message, "Type"), ())
    pairs = [
        (name, message.get(name))
        for name in names
        if name != _OPTIONAL or message.get(name) is not None
    ]
    lines = [f"{name}\n{value}\n" for name, value in pairs if isinstance(value, str)]
    if not pairs or len(lines) < len(pairs):
        raise Refused(RefusalReason.SIGNATURE)
    # Halves of characters are in no message of Amazon's: with them it does not verify.
    return "".join(lines).encode("utf-8", "surrogatepass")


def _signature(message: Mapping[str, object]) -> bytes:
    try:
        return base64.b64decode(_whole(message, "Signature"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(RefusalReason.SIGNATURE) from error


def _certificate_address(message: Mapping[str, object], host: SnsHost) -> str:
    """Return where the certificate is: a file of SNS itself, and nothing else in the address."""
    given = _whole(message, "SigningCertURL")
    begin = f"https://{host.name}"
    path = given.removeprefix(begin)
    if not given.startswith(begin) or not _CERTIFICATE_PATH.fullmatch(path):
        raise Refused(RefusalReason.CERTIFICATE)
    return f"{begin}{path}"
