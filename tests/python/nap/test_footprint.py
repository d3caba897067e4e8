# SPDX-License-Identifier: GPL-3.0-or-later
"""powernapd stays small, and what is left out for it can still be had."""

from __future__ import annotations

import hashlib
import hmac
import re
import subprocess
import sys
import time
from pathlib import Path

MONITORS = r"""
[monitors.console]
kind = "console"
[monitors.load]
kind = "load"
[monitors.ssh]
kind = "tcp"
ports = [22]
[monitors.web]
kind = "tcp"
ports = [80, 443, "8000-8099"]
except_from = ["198.18.0.9"]
[monitors.dns]
kind = "udp"
ports = [53]
[monitors.backup]
kind = "process"
pattern = "(^|/)rsync\\b"
"""


def test_with_six_monitors_dbus_and_a_link_over_tls_it_takes_less_than_30_mb(machine):
    machine.write(more=MONITORS, absent=30)
    machine.start()
    machine.until(lambda: len(machine.ask("status")["monitors"]) == 6, "no look was taken")
    machine.until(lambda: machine.ask("status")["server"]["link"] == "websocket", "it is not linked")
    machine.until(lambda: machine.server.of("state"), "it does not say how it stands")
    time.sleep(0.5)
    status = Path(f"/proc/{machine.process.pid}/status").read_text()
    assert "python" in status.splitlines()[0]
    resident = int(re.search(r"^VmRSS:\s+(\d+)", status, re.MULTILINE)[1])
    print(resident)
    assert resident < 30_000


def python(code):
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=20,
        env={"PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_asyncio_comes_without_tls_and_tls_can_still_be_had():
    code = (
        "import sys\n"
        "from powernap.machine import lean\n"
        "lean.leave_tls_for_later()\n"
        "import asyncio\n"
        "print('ssl' in sys.modules)\n"
        "asyncio.run(asyncio.sleep(0))\n"
        "import http.client, ssl\n"
        "print(ssl.create_default_context().verify_mode.name, http.client.HTTPSConnection.__name__)\n"
    )
    assert python(code) == ["False", "CERT_REQUIRED", "HTTPSConnection"]


def test_who_has_imported_tls_before_keeps_it():
    code = (
        "import asyncio, http.client, ssl, sys\n"
        "from powernap.machine import lean\n"
        "lean.leave_tls_for_later()\n"
        "print(sys.modules['ssl'] is ssl, http.client.HTTPSConnection.__name__)\n"
    )
    assert python(code) == ["True", "HTTPSConnection"]


def test_signing_comes_without_openssl_and_signs_the_same():
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from powernap.machine import lean\n"
        "lean.hash_without_openssl()\n"
        "import hashlib, hmac\n"
        "print('libcrypto' in Path('/proc/self/maps').read_text())\n"
        "print(hmac.new(b'key', b'word', hashlib.sha256).hexdigest())\n"
    )
    loaded, signature = python(code)
    assert loaded == "False"
    assert signature == hmac.new(b"key", b"word", hashlib.sha256).hexdigest()
