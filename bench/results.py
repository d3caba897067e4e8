# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the figures of a run as JSON, in the folder that POWERNAP_BENCH_RESULTS names."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any


def folder() -> Path:
    where = Path(os.environ.get("POWERNAP_BENCH_RESULTS", ".cache/bench"))
    where.mkdir(parents=True, exist_ok=True)
    return where


def keep(name: str, figures: dict[str, Any]) -> None:
    """Write NAME.json, with what the machine was and how busy it had been in the last minute (load average)."""
    machine = {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
    }
    (folder() / f"{name}.json").write_text(json.dumps({"machine": machine, **figures}, indent=1) + "\n")


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder() / f"{name}.json").read_text())
    return content
