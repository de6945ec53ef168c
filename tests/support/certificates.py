"""Certificates for tests: an authority of our own, and servers it vouches for, or ought not to."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = timedelta(days=1)


class Certificate(StrEnum):
    """What a server shows to its clients."""

    #: In its own name, valid, from the authority.
    GOOD = "good"
    #: From the authority, but for another host.
    WRONG_NAME = "wrong_name"
    #: From the authority, in its own name, until yesterday.
    EXPIRED = "expired"
    #: Signed by itself, vouched for by nobody.
    SELF_SIGNED = "self_signed"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """Issues certificates for 127.0.0.1 and localhost; its key is on disk for the test run only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("Test authority")
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            self._builder(self._name, self._key.public_key(), timedelta(days=-2))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        #: PEM file of the authority's own certificate.
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, begins: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now - _DAY if begins < -3 * _DAY else now + 7 * _DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    def server_files(self, certificate: Certificate) -> tuple[Path, Path]:
        """Return the PEM files of a server's certificate and private key."""
        chain = self._folder / f"{certificate.value}.pem"
        private = self._folder / f"{certificate.value}.key"
        if chain.exists():
            return chain, private
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]  # fmt: skip
        if certificate is Certificate.WRONG_NAME:
            names = [x509.DNSName("another.example.org")]
        begins = -30 * _DAY if certificate is Certificate.EXPIRED else -_DAY
        subject = self._name if certificate is Certificate.SELF_SIGNED else _name("Test server")
        signed = (
            self._builder(subject, key.public_key(), begins)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key if certificate is Certificate.SELF_SIGNED else self._key, hashes.SHA256())
        )
        chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return chain, private

    def server_context(self, certificate: Certificate = Certificate.GOOD) -> ssl.SSLContext:
        """Return what a server that shows this certificate speaks TLS with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.server_files(certificate))
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return what a client that trusts this authority and nobody else speaks TLS with."""
        return ssl.create_default_context(cafile=str(self.file))
