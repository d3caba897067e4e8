# SPDX-License-Identifier: GPL-3.0-or-later
"""powernap-hands: does for powernapd, which is not root, what needs root. systemd starts it when it is asked."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from powernap.cli.logs import log_to_journal
from powernap.config.nap import DEFAULT_PATH
from powernap.machine.hands import STATE
from powernap.nap.hands import server
from powernap.nap.hands.means import Means
from powernap.shared.errors import PowernapError

BEFORE = Path("/var/lib/powernapd")


def main(words: list[str]) -> int:
    """Serve until nobody asks any more; 2: not possible here."""
    parser = argparse.ArgumentParser(
        "powernap-hands", description="Do for powernapd what needs root; started by systemd, and not by people."
    )
    parser.add_argument("--config", default=DEFAULT_PATH, metavar="FILE", help="(default: %(default)s)")
    parser.add_argument("--state-dir", default=str(STATE), metavar="DIR", help="(default: %(default)s)")
    options = parser.parse_args(words)
    if os.geteuid() != 0:
        print("powernap-hands: needs root: systemd starts it when powernapd asks", file=sys.stderr)
        return 2
    log_to_journal("powernap-hands")
    means = Means(Path(options.config), Path(options.state_dir))
    means.adopt_state(BEFORE)
    try:
        asyncio.run(server.run(means))
    except PowernapError as error:
        print(f"powernap-hands: {error}", file=sys.stderr)
        return 2
    return 0
