# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module powernap_programs on the host, and bring what it wants: packages, and the archive of the programs."""

from __future__ import annotations

from pathlib import Path

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.powernap.powernap.plugins.action import powernap_archive
from ansible_collections.powernap.powernap.plugins.module_utils._listing import listing
from ansible_collections.powernap.powernap.plugins.module_utils.shared.errors import PowernapError

MODULE = "powernap.powernap.powernap_programs"
DISTRIBUTIONS = Path(__file__).resolve().parents[2] / "roles" / "programs" / "vars"
DEFAULT = "/usr/bin/python3"


class NotDone(PowernapError):
    """One sentence for people."""


class NotInstalled(Exception):
    """``result``: what the module said that failed."""

    def __init__(self, result):
        super().__init__(result.get("msg"))
        self.result = result


def too_old(found):
    return tuple(map(int, found["version"].split("."))) < (3, 10)


class ActionModule(ActionBase):
    TRANSFERS_FILES = True
    _requires_connection = True
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        self._vars = task_vars
        self._interpreter = str(self._task.args.get("interpreter", DEFAULT))
        self._installed, self._noted = [], []
        try:
            done = self._brought()
        except NotInstalled as error:
            return {**result, **error.result}
        except PowernapError as error:
            return {**result, "failed": True, "msg": str(error)}
        done["changes"] = self._installed + done.get("changes", [])
        done["changed"] = bool(done["changes"])
        done.pop("invocation", None)
        return {**result, **done}

    def _brought(self):
        """Return the module's last result. Raises NotDone, NotInstalled."""
        done = self._place()
        check = self._task.check_mode
        if too_old(done["found"]):
            package = self._here(done["found"]).get("__programs_interpreter_package")
            if package and self._interpreter == DEFAULT:
                self._install([package], done["found"])
                self._interpreter = f"/usr/bin/{package}"
                if check:
                    return done
                done = self._place()
            self._refuse_old(done["found"])
        if done["found"]["missing"]:
            self._refuse_without_packages(done["found"])
            names = self._here(done["found"]).get("__programs_packages_of") or {}
            self._install([names.get(name, name) for name in done["found"]["missing"]], done["found"])
            if not check:
                done = self._place()
        if done["wants"] == "archive":
            done = self._place(bring=True)
        if not check and done["wants"]:
            raise NotDone(f"{self._name} still lacks {', '.join(done['found']['missing']) or done['wants']}")
        return done

    @property
    def _name(self):
        return self._vars["inventory_hostname"]

    def _place(self, bring=False):
        """Run the module; return its result. Raises NotInstalled."""
        packed, files = powernap_archive.once_packed(Path(C.DEFAULT_LOCAL_TMP), self._interpreter)
        if not files:
            folder = powernap_archive.PACKAGES["powernap"]
            raise NotDone(f"{folder} does not hold the programs: is this collection installed whole?")
        args = {**self._task.args, "interpreter": self._interpreter, "sum": powernap_archive.sum_of(packed)}
        if not bring:
            done = self._execute_module(MODULE, args, task_vars=self._vars)
        else:
            folder = self._make_tmp_path()
            try:
                there = self._connection._shell.join_path(folder, "powernap.pyz")
                self._transfer_file(str(packed), there)
                self._fixup_perms2((folder, there))
                done = self._execute_module(MODULE, {**args, "archive": there}, task_vars=self._vars)
            finally:
                self._remove_tmp_path(folder, force=True)
        if done.get("failed") or "found" not in done:
            done.pop("invocation", None)
            raise NotInstalled(done)
        for each in done.get("diff") or ():
            each["after"] = listing(packed.read_bytes()) if self._task.diff else ""
        return done

    def _here(self, found):
        """Return what packages are called on this distribution."""
        for name in (f"{found['family']}-{found['major']}.yml", f"{found['family']}.yml"):
            if (DISTRIBUTIONS / name).is_file():
                return self._loader.load_from_file(str(DISTRIBUTIONS / name))
        return {}

    def _refuse_old(self, found):
        if too_old(found):
            what = "not there" if found["version"] == "0" else f"Python {found['version']}"
            raise NotDone(
                f"powernap_python: {self._interpreter} is {what} on {self._name}; PowerNap needs Python 3.10 or newer: "
                "install one and set powernap_python to its path"
            )

    def _refuse_without_packages(self, found):
        """Raises NotDone where the distribution has no packages of Python modules for that interpreter."""
        by = self._here(found).get("__programs_modules_by")
        if by and found["modules"] and found["python"] != DEFAULT:
            modules = found["modules"]
            raise NotDone(
                f"{found['python']} on {self._name} lacks {', '.join(modules)}, and {found['name']} has no packages of "
                f"them: {by} {' '.join(modules)}"
            )

    def _install(self, names, found):
        """Install packages, and note which came, that all of it can go again. Raises NotInstalled."""
        listing_of = self._here(found)["__programs_listing"]
        before = self._packages(listing_of)
        self._carry_out(names, found)
        self._installed += names
        came = sorted(self._packages(listing_of) - before)
        if came:
            args = {"name": "programs", "packages": came}
            if "folder" in self._task.args:
                args["folder"] = self._task.args["folder"]
            self._done("powernap.powernap.powernap_before", args)

    def _carry_out(self, names, found):
        wanted = {"name": names, "state": "present"}
        if found["family"] != "Debian":
            done = self._package({**wanted})
            if done.get("failed"):
                raise NotInstalled(done)
            return
        done = self._execute_module("ansible.builtin.apt", wanted, task_vars=self._vars)
        if done.get("failed"):  # the lists of packages may be missing, or old
            self._execute_module("ansible.builtin.apt", {"update_cache": True}, task_vars=self._vars)
            self._done("ansible.builtin.apt", wanted)

    def _package(self, args):
        task = self._task.copy()
        task.args = args
        package = self._shared_loader_obj.action_loader.get(
            "ansible.builtin.package",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        return package.run(task_vars=self._vars)

    def _packages(self, command):
        """Return the names of the packages that are installed; none in check mode."""
        if self._task.check_mode:
            return set()
        words = [str(word).replace("\\n", "\n") for word in command]
        done = self._done("ansible.builtin.command", {"argv": words})
        lines = (line.partition(" ") for line in done["stdout"].splitlines())
        return {name for state, _space, name in lines if state == "installed"}

    def _done(self, module, args):
        """Run a module; return its result. Raises NotInstalled."""
        done = self._execute_module(module, args, task_vars=self._vars)
        if done.get("failed"):
            done.pop("invocation", None)
            raise NotInstalled(done)
        return done
