# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was there before comes back, and nothing of somebody else goes."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.powernap.powernap.plugins.module_utils import _before
from ansible_collections.powernap.powernap.plugins.module_utils._packages import Packages
from ansible_collections.powernap.powernap.plugins.modules import powernap_before


@pytest.fixture
def host(tmp_path, run):
    class Host:
        root = tmp_path / "host"
        folder = tmp_path / "notes"

        def path(self, name):
            return str(self.root / name)

        def note(self, *names, **more):
            paths = [self.path(name) for name in names]
            return run(powernap_before.main, name="role", paths=paths, folder=str(self.folder), **more)

        def restore(self, **more):
            return run(powernap_before.main, name="role", state="restored", folder=str(self.folder), **more)

        def tree(self):
            return {
                str(path.relative_to(self.root)): (
                    stat.S_IMODE(path.lstat().st_mode),
                    str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
                )
                for path in self.root.rglob("*")
            }

    Host.root.mkdir()
    return Host()


def test_files_links_and_directories_are_again_what_they_were(host):
    (host.root / "old").mkdir(mode=0o750)
    (host.root / "old/file").write_bytes(b"\xff was here")
    (host.root / "old/file").chmod(0o640)
    (host.root / "link").symlink_to("elsewhere")
    before = host.tree()
    names = ["old", "old/file", "link", "new", "new/file", "old/new"]
    assert host.note(*names)["noted"] == [host.path(name) for name in names]
    (host.root / "old/file").write_text("ours")
    (host.root / "old").chmod(0o755)
    (host.root / "link").unlink()
    (host.root / "link").write_text("ours")
    (host.root / "new").mkdir()
    (host.root / "new/file").write_text("ours")
    (host.root / "old/new").symlink_to("/")
    result = host.restore()
    assert result["changed"] and result["kept"] == []
    assert host.tree() == before
    assert not host.folder.exists()


def test_what_is_gone_comes_back(host):
    (host.root / "old").mkdir()
    (host.root / "old/file").write_text("was here")
    before = host.tree()
    host.note("old", "old/file")
    (host.root / "old/file").unlink()
    (host.root / "old").rmdir()
    assert host.restore()["put_back"] == [host.path("old"), host.path("old/file")]
    assert host.tree() == before


def test_what_somebody_else_has_put_there_stays_and_is_named(host):
    host.note("new", "new/ours")
    (host.root / "new").mkdir()
    (host.root / "new/ours").write_text("ours")
    (host.root / "new/theirs").write_text("theirs")
    result = host.restore()
    assert result["removed"] == [host.path("new/ours")] and result["kept"] == [host.path("new")]
    assert list(host.tree()) == ["new", "new/theirs"]


def test_a_tree_goes_with_all_that_is_in_it(host):
    host.note(trees=[host.path("state")])
    (host.root / "state/deep").mkdir(parents=True)
    (host.root / "state/deep/file").write_text("the daemon's")
    host.restore()
    assert host.tree() == {}


def test_the_first_note_of_a_path_counts(host):
    (host.root / "file").write_text("was here")
    host.note("file")
    (host.root / "file").write_text("ours")
    again = host.note("file", "more")
    assert again["changed"] and again["noted"] == [host.path("more")]
    assert not host.note("file", "more")["changed"]
    host.restore()
    assert (host.root / "file").read_text() == "was here"


def test_what_looks_like_our_own_was_not_there_before(host):
    (host.root / "file").write_text("# Written by Ansible. More\n")
    (host.root / "link").symlink_to("/usr/lib/powernap/programs/__main__.py")
    host.note("file", "link")
    host.restore()
    assert host.tree() == {}


def test_check_mode_says_the_same_and_changes_nothing(host):
    assert host.note("new", check=True)["noted"] == [host.path("new")]
    assert not host.folder.exists()
    host.note("new")
    (host.root / "new").write_text("ours")
    before = host.tree()
    foretold = host.restore(check=True)
    assert host.tree() == before and host.folder.exists()
    done = host.restore()
    assert {key: done[key] for key in ("changed", "removed", "put_back", "kept")} == {
        key: foretold[key] for key in ("changed", "removed", "put_back", "kept")
    }


def test_restoring_what_was_never_noted_changes_nothing(host):
    assert not host.restore()["changed"]


def test_nothing_is_restored_while_another_record_needs_it(host, run):
    host.note("new")
    (host.root / "new").write_text("ours")
    run(powernap_before.main, name="other", paths=[host.path("else")], folder=str(host.folder))
    result = host.restore(unless_noted=["other", "third"])
    assert not result["changed"] and result["kept_for"] == ["other"]
    assert list(host.tree()) == ["new"]


def test_the_record_is_for_root_alone(host):
    (host.root / "secret").write_text("key")
    host.note("secret")
    assert stat.S_IMODE((host.folder / "role.json").stat().st_mode) == 0o600


def test_a_broken_record_is_refused_with_its_name(host):
    host.folder.mkdir()
    (host.folder / "role.json").write_text("{")
    result = host.restore()
    assert result["failed"] and "the record role in" in result["msg"]


def test_kernel_settings_are_noted_and_written_back(host, tmp_path, monkeypatch):
    (tmp_path / "setting").write_text("0\n")
    monkeypatch.setattr(_before, "sysctl_path", lambda key: str(tmp_path / key))
    assert host.note(sysctls=["setting", "none"])["noted"] == ["setting"]
    (tmp_path / "setting").write_text("1\n")
    assert host.restore()["put_back"] == ["setting"]
    assert (tmp_path / "setting").read_text() == "0\n"


class FakeDpkg:
    """Packages with what needs them."""

    def __init__(self, needed_by):
        self.needed_by = needed_by
        self.installed = set(needed_by)
        self.removed = []

    def __call__(self, command):
        if command[0] == "dpkg-query":
            return 0, "".join(f"installed={name}\n" for name in sorted(self.installed)) + "config-files=old\n", ""
        if command[:3] == ["dpkg", "--simulate", "--purge"]:
            return (0 if self._closed(set(command[3:])) else 1), "", ""
        assert command[:3] == ["apt-get", "-y", "-q"] and "--no-auto-remove" in command, command
        names = command[command.index("purge") + 1 :]
        self.removed += names
        return 0, "", ""

    def _closed(self, names):
        return all(set(self.needed_by[name]) & self.installed <= names for name in names)


def test_packages_go_in_one_removal_where_nothing_else_needs_them():
    dpkg = FakeDpkg({"wsproto": [], "h11": ["wsproto"]})
    packages = Packages(dpkg)
    assert packages.removable(["h11", "wsproto", "gone"]) == ["h11", "wsproto"]
    assert packages.remove(["h11", "wsproto"]) == ""
    assert dpkg.removed == ["h11", "wsproto"]


def test_a_package_stays_that_something_else_needs_by_now():
    packages = Packages(FakeDpkg({"wsproto": [], "h11": ["wsproto", "httpx"], "httpx": [], "jeepney": []}))
    assert packages.removable(["h11", "wsproto", "jeepney"]) == ["jeepney", "wsproto"]


def test_a_chain_of_packages_goes_as_far_as_it_can():
    packages = Packages(FakeDpkg({"a": ["other"], "b": [], "c": ["b"], "d": ["c"], "other": []}))
    assert packages.removable(["a", "b", "c", "d"]) == ["b", "c", "d"]


def test_without_a_package_manager_nothing_is_removed():
    assert Packages(lambda command: (127, "", f"{command[0]} is not installed")).removable(["a"]) == []


def test_the_record_names_packages_once(host):
    host.note(packages=["b", "a"])
    assert not host.note(packages=["a"])["changed"]
    assert json.loads((host.folder / "role.json").read_text())["packages"] == ["a", "b"]
