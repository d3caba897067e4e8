# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields and syslog messages in a real systemd-journald, in a mount namespace with a /run of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

JOURNALD = next(
    (path for path in ("/lib/systemd/systemd-journald", "/usr/lib/systemd/systemd-journald") if Path(path).exists()), ""
)
INSIDE = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\\nReadKMsg=no\\nAudit=no\\nStorage=volatile\\n' > /run/systemd/journald.conf.d/test.conf
{journald} 2>/dev/null &
for _ in $(seq 100); do test -S /run/systemd/journal/dev-log && break; sleep 0.05; done
{python} -c "$SCRIPT"
for _ in $(seq 100); do
    journalctl -D /run/log/journal -o json SYSLOG_IDENTIFIER=powernapd > /run/found 2>/dev/null || true
    test "$(wc -l < /run/found)" -ge 2 && break
    sleep 0.05
done
cat /run/found
kill $!
"""
SCRIPT = """
import asyncio, logging
from powernap.machine.journal import JournalHandler
from powernap.nap.warnings.base import Notice
from powernap.nap.warnings.syslog import Syslog
logger = logging.Logger("powernapd")
logger.addHandler(JournalHandler("powernapd"))
logger.warning("held: two\\nlines", extra={"journal": {"POWERNAP_STATE": "held", "POWERNAP_DEADLINE": "5.000"}})
method = Syslog("x", {"socket": "/run/systemd/journal/dev-log", "priority": "alert"})
asyncio.run(method.tell(method.worded(Notice("warning", "web1", 60.0, "suspend", "idle for 240 s"))))
"""


@pytest.mark.skipif(os.geteuid() != 0 or not JOURNALD or not shutil.which("unshare"), reason="needs root and journald")
def test_a_real_journal_takes_the_fields_and_a_real_log_socket_the_warning():
    inside = INSIDE.format(journald=JOURNALD, python=sys.executable)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", inside],
        env={**os.environ, "SCRIPT": SCRIPT},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "permission denied" in done.stderr.lower():
        pytest.skip("mounting is not possible here")
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    by_transport = {entry["_TRANSPORT"]: entry for entry in entries}
    assert len(entries) == 2, done
    fields = by_transport["journal"]
    assert (fields["MESSAGE"], fields["PRIORITY"]) == ("held: two\nlines", "4")
    assert (fields["POWERNAP_STATE"], fields["POWERNAP_DEADLINE"]) == ("held", "5.000")
    warning = by_transport["syslog"]
    assert warning["MESSAGE"].startswith("web1: suspend in 60 seconds") and warning["PRIORITY"] == "1"
    assert warning["SYSLOG_FACILITY"] == "3"
