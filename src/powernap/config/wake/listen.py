# SPDX-License-Identifier: GPL-3.0-or-later
"""[listen]: where clients and administrators reach powerwaked."""

from dataclasses import dataclass

from powernap.shared.paths import ADMIN_SOCKET
from powernap.shared.schema import setting


@dataclass(frozen=True)
class ListenSettings:
    """Where clients and administrators reach powerwaked."""

    address: str = setting("str", "0.0.0.0", "address on which clients register", example="198.18.0.1")
    port: int = setting("int", 20709, "TCP port on which clients register", minimum=1, maximum=65535)
    admin_socket: str = setting("path", ADMIN_SOCKET, "Unix socket of the admin API, for root")
