# SPDX-License-Identifier: GPL-3.0-or-later
import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not do it
from real_upsd import upsd_fixture  # noqa: F401

# A busy machine is slow, not wrong; and a run of the suite can be repeated: its examples are the same each time.
settings.register_profile(
    "patient", max_examples=50, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
# Others each time: HYPOTHESIS_PROFILE=curious pytest tests/python/wake/test_frames_fuzz.py; and many of them: thorough.
settings.register_profile("curious", settings.get_profile("patient"), derandomize=False)
settings.register_profile("thorough", settings.get_profile("curious"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))
