# SPDX-License-Identifier: GPL-3.0-or-later
import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode does not do it
from real_upsd import upsd_fixture  # noqa: F401

# A busy machine is slow, not wrong.
settings.register_profile("patient", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For soaking: HYPOTHESIS_PROFILE=thorough pytest tests/python/wake/test_host_properties.py
settings.register_profile("thorough", settings.get_profile("patient"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))
