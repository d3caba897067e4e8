# SPDX-License-Identifier: GPL-3.0-or-later
"""What powernapd says where the library of the channel is missing: in a process of its own, in which it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

WITHOUT = """
import asyncio, json, logging, sys
from pathlib import Path
sys.modules["wsproto"] = None
from powernap.config.sections import ServerSettings
from powernap.nap.courier import Courier
from powernap.shared.errors import PowernapError

async def main():
    courier = Courier(ServerSettings(url="https://198.18.0.1:20709"), "web1", Path(sys.argv[1]), lambda: None)
    before = courier.as_dict()
    courier.announce("boot", 0.0)
    await asyncio.sleep(0)
    try:
        await courier.register({})
    except PowernapError as error:
        return before, courier.as_dict(), str(error)

print(json.dumps(asyncio.run(main())))
"""


def test_a_missing_library_is_one_sentence_with_the_remedy_and_no_nap(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
    )
    before, after, refused = json.loads(done.stdout)
    assert before["acknowledged"] is None
    assert "apt-get install python3-wsproto" in refused and "\n" not in refused
    assert after == {"url": "https://198.18.0.1:20709", "acknowledged": False, "error": refused}
    assert done.stderr.strip() == refused, "logged once, and no traceback"
