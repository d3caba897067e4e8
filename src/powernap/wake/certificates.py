# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and X.509 certificates (RFC 5280) of the wake server's own authority, made in a process of its own.

``cryptography`` takes 12 MB that nothing gives back. `main` reads what is wanted as JSON, and prints what it made.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LONGEST_NAME = 64  # ub-common-name
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HOST_NAME = re.compile(r"\A[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*\Z")


def make_authority(host: str, since: float, until: float) -> tuple[bytes, bytes]:
    """Return (key, certificate), both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"PowerNap wake server {host}")
    made = (
        _builder(name, name, key.public_key(), since, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem(key), made.public_bytes(serialization.Encoding.PEM)


def make_server(ca_key: bytes, ca: bytes, names: tuple[str, ...], since: float, until: float) -> bytes:
    """Return key and certificate, PEM, signed by the authority. Raises ValueError."""
    loaded = serialization.load_pem_private_key(ca_key, None)
    authority = x509.load_pem_x509_certificate(ca)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or _public(loaded) != _public(authority):
        raise ValueError("ca.key is not the key of ca.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(_name(names[0] if names else "powerwaked"), authority.subject, key.public_key(), since, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(loaded.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .sign(loaded, hashes.SHA256())
    )
    return _pem(key) + made.public_bytes(serialization.Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, since: float, until: float
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_EPOCH + timedelta(seconds=min(since, until - 86400)))
        .not_valid_after(_EPOCH + timedelta(seconds=int(until)))
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: tuple[str, ...]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            if _HOST_NAME.match(name):
                found.append(x509.DNSName(name))
    return found or [x509.DNSName("localhost")]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_NAME])])


def _public(holder: ec.EllipticCurvePrivateKey | x509.Certificate) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return holder.public_key().public_bytes(serialization.Encoding.DER, form)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def main() -> None:
    wanted = json.load(sys.stdin)
    try:
        if wanted["ca"]:
            key, ca = wanted["ca_key"].encode(), wanted["ca"].encode()
        else:
            key, ca = make_authority(wanted["host"], wanted["since"], wanted["ca_until"])
        server = make_server(key, ca, tuple(wanted["names"]), wanted["since"], wanted["until"])
    except ValueError as error:
        json.dump({"refused": str(error)}, sys.stdout)
    else:
        json.dump({"ca_key": key.decode(), "ca": ca.decode(), "server": server.decode()}, sys.stdout)
