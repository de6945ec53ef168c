"""An Amazon SNS of our own: a key, certificates, and messages that are signed as SNS signs them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-central-1:123456789012:mailer-feedback"
HOST = "sns.eu-central-1.amazonaws.com"
CERTIFICATE = f"https://{HOST}/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
TOKEN = "2336412f37fb687f5d51e6e2425929f52e8e353134fe72d55ef8b330217d82da14007cbccefffd35"
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]


@cache
def private_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key, the same one for the same number: making one takes its time."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


def certificate(
    *,
    name: str = "sns.amazonaws.com",
    alternative: str | None = "sns.amazonaws.com",
    begins: datetime = NOW - timedelta(days=30),
    ends: datetime = NOW + timedelta(days=300),
    key: rsa.RSAPrivateKey | None = None,
    issuer: str = "Amazon RSA 2048 M01",
    issuer_key: rsa.RSAPrivateKey | None = None,
    authority: bool = False,
) -> bytes:
    """Return a certificate in PEM, as SNS has it unless something else is said."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key((key or private_key()).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if alternative is not None:
        names = x509.SubjectAlternativeName([x509.DNSName(alternative)])
        builder = builder.add_extension(names, critical=False)
    signed = builder.sign(issuer_key or private_key(1), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def sign(message: dict[str, object], key: rsa.RSAPrivateKey | None = None) -> dict[str, object]:
    """Return a message with the signature that its version asks for."""
    names = _SIGNED[str(message["Type"])]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    algorithm = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    signature = (key or private_key()).sign(text.encode(), padding.PKCS1v15(), algorithm)
    return {**message, "Signature": base64.b64encode(signature).decode()}


def message(**changes: object) -> dict[str, object]:
    """Return an unsigned message with something changed; None takes a field out."""
    told = {
        "Type": "Notification",
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": "{}",
        "Timestamp": "2026-11-20T09:29:58.123Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": f"https://{HOST}/?Action=Unsubscribe",
        **changes,
    }
    return {name: value for name, value in told.items() if value is not None}


def notification(event: object, **changes: object) -> bytes:
    """Return the body of a signed notification that carries an event of SES."""
    return json.dumps(sign(message(Message=json.dumps(event), **changes))).encode()


def confirmation(**changes: object) -> dict[str, object]:
    """Return an unsigned request to confirm a subscription."""
    told = {
        "Type": "SubscriptionConfirmation",
        "Subject": None,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.\nVisit the SubscribeURL.",
        "Token": TOKEN,
        "SubscribeURL": f"https://{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token={TOKEN}",
    }
    return message(**{**told, **changes})


def long_ago() -> datetime:
    """Return a time at which certificates began that must be valid on the machine's clock."""
    return datetime(2020, 1, 1, tzinfo=UTC)


def far_off() -> datetime:
    """Return the time at which they end."""
    return datetime(2100, 1, 1, tzinfo=UTC)
