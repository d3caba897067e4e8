# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pack this collection's Python package into one executable file on the host."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.powernap.powernap.plugins.module_utils._listing import listing
from ansible_collections.powernap.powernap.plugins.plugin_utils._once import once

ROOT = Path(__file__).resolve().parents[2]  # of the collection, also where it is reached through a link
PACKAGES = {"powernap": ROOT / "src" / "powernap", "powernap/shared": ROOT / "plugins" / "module_utils" / "shared"}
START = b"import sys\n\nfrom powernap.__main__ import main\n\nsys.exit(main())\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can hold

SPEC = {
    "dest": {"type": "path", "default": "/usr/lib/powernap/powernap.pyz"},
    "interpreter": {"type": "str", "default": "/usr/bin/python3"},
    "mode": {"type": "str", "default": "0755"},
}


def contents(packages=None):
    """Return {name in the archive: bytes} of the package's sources and of the data beside them."""
    files = {"__main__.py": START}
    for package, folder in (packages or PACKAGES).items():
        for path in folder.rglob("*"):
            below = path.relative_to(folder)
            if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in below.parts):
                files[f"{package}/{below.as_posix()}"] = path.read_bytes()
    return files


def pack(files, interpreter):
    """Return the archive's bytes. Nothing is compressed: zlib's output is not the same from one version to the next."""
    buffer = io.BytesIO()
    buffer.write(f"#!{interpreter}\n".encode())
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, whatever the controller is
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def once_packed(folder, interpreter):
    """Return the path of the archive, packed once for all of the run, and how many files it has.

    0 where the programs are not there. ``folder``: the run's temporary one.
    """
    name = "powernap-" + hashlib.sha256(interpreter.encode()).hexdigest()[:16]
    count = once(folder, f"{name}.count", lambda: _pack_into(folder / f"{name}.pyz", interpreter))
    return folder / f"{name}.pyz", int(count)


def _pack_into(packed, interpreter):
    files = contents()
    packed.write_bytes(pack(files, interpreter))
    return str(len(files) if "powernap/__main__.py" in files else 0).encode()


def sum_of(packed):
    """Return the SHA-256 of an archive that once_packed has made."""
    made = once(packed.parent, f"{packed.name}.sum", lambda: hashlib.sha256(packed.read_bytes()).hexdigest().encode())
    return made.decode()


class ActionModule(ActionBase):
    TRANSFERS_FILES = True
    _requires_connection = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        _result, args = self.validate_argument_spec(SPEC)
        packed, files = once_packed(Path(C.DEFAULT_LOCAL_TMP), args["interpreter"])
        if not files:
            raise AnsibleActionFail(
                f"{PACKAGES['powernap']} does not hold the programs: is this collection installed whole?"
            )
        before = self._present(args["dest"], task_vars) if self._task.diff else b""
        result = self._copy(packed, args, task_vars)
        result.pop("src", None)
        result.pop("diff", None)
        result["files"] = files
        result.setdefault("dest", args["dest"])
        if self._task.diff and result.get("changed"):
            result["diff"] = {
                "before_header": args["dest"],
                "after_header": args["dest"],
                "before": listing(before),
                "after": listing(packed.read_bytes()),
            }
        return result

    def _present(self, dest, task_vars):
        """Return the bytes of the archive that the host has, none where it has none."""
        read = self._execute_module("ansible.legacy.slurp", {"src": dest}, task_vars=task_vars)
        return base64.b64decode(read.get("content", ""))

    def _copy(self, packed, args, task_vars):
        task = self._task.copy()
        task.args = {"src": str(packed), "dest": args["dest"], "mode": args["mode"]}
        copy = self._shared_loader_obj.action_loader.get(
            "ansible.legacy.copy",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        return copy.run(task_vars=task_vars)
