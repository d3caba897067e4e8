# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the client takes for its wake server: the site's own CA alone, or the system's with the host name checked."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass

from powernap.machine import rootfiles
from powernap.shared.errors import PowernapError

SYSTEM = "system"
#: X509_V_FLAG_NO_CHECK_TIME of <openssl/x509_vfy.h>.
NO_CHECK_TIME = 0x200000
#: X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED.
OF_ANOTHER_TIME = (9, 10)


class NoTrust(PowernapError):
    """The file with the CA is missing, or holds none."""


@dataclass
class Trust:
    """``fingerprint``: SHA-256 of the CA's certificate (DER) in hex; "" where the system's authorities are trusted.

    ``untimely``: what is wrong with the time of the server's certificate, where that was passed over; else "".
    """

    context: ssl.SSLContext
    fingerprint: str
    untimely: str = ""

    def pass_over_time(self, why: str) -> bool:
        """Believe the CA whatever its time, and the server's; False where that is not for us to decide.

        A site's own CA is believed because its file is here. It revokes nobody by expiry, and each message is signed by
        the host's key besides; but a machine's clock may have lost its battery.
        """
        if not self.fingerprint or self.untimely:
            return False
        self.context.verify_flags |= NO_CHECK_TIME  # VerifyFlags has no name for it
        self.untimely = why
        return True


def load(ca_file: str) -> Trust:
    """Read the CA. Raises NoTrust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file == SYSTEM:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return Trust(context, "")
    context.check_hostname = False  # this CA signs nothing but wake servers, which may be known by any address
    try:
        text = rootfiles.read("server.ca_file", ca_file)
        context.load_verify_locations(cadata=text)
        return Trust(context, fingerprint(text))
    except OSError as error:
        if isinstance(error, ssl.SSLError):
            raise _no_certificate(ca_file) from error
        raise NoTrust(
            f"server.ca_file: {ca_file} cannot be read ({error.strerror}): copy the wake server's CA there "
            "(GET /api/v1/ca), or run the site playbook"
        ) from error
    except ValueError as error:
        raise _no_certificate(ca_file) from error


def fingerprint(pem: str) -> str:
    """Return the fingerprint of the first certificate in a text. Raises ValueError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = pem.index(begin)
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem[start : pem.index(end, start) + len(end)])).hexdigest()


def _no_certificate(ca_file: str) -> NoTrust:
    return NoTrust(f"server.ca_file: {ca_file} holds no certificate (PEM): copy the wake server's CA there again")
