# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the get-pip.py that ansible-test would download from a server of its own.

Where only a package index is reached, the pip that comes with Python fetches the wanted one. scripts/test puts this
into ansible-test's cache if nothing is there.
"""

import ensurepip
import os
import subprocess
import sys

environment = dict(os.environ)  # ensurepip drops PIP_* from its own, and with them the certificates of Python 3.9's pip
ensurepip.bootstrap(default_pip=True)
packages = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "--upgrade", *packages], env=environment)
