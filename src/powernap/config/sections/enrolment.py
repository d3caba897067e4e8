# SPDX-License-Identifier: GPL-3.0-or-later
"""[enrolment]: how this machine becomes known to a wake server."""

from dataclasses import dataclass

from powernap.shared.schema import setting


@dataclass(frozen=True)
class EnrolmentSettings:
    """How a machine without a key becomes known to its wake server. It does not nap before, if server.required."""

    ask: bool = setting("bool", True, "ask the wake server to be known where there is no key yet")
    token_file: str = setting(
        "path", "/etc/powernap/enrol.token", "file with a token that lets it be known at once; deleted when it is"
    )
    fingerprint: str = setting(
        "str",
        "",
        "SHA-256 of the wake server's CA certificate, as 'powerwake status' shows; empty: the first is trusted",
    )
