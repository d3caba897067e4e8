# SPDX-License-Identifier: GPL-3.0-or-later
"""What is pinned goes on without the daemon, and the next one takes it over; with which rights this works."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.net.lan import missing
from tests.net.wire import ASKER, ASKER4, OURS, OWNER, SLEEPER4, Wire, no_ebpf, question, received, wire

from powernap.machine import ebpf, ebpf_links
from powernap.net import arp
from powernap.wake.path import layout
from powernap.wake.path.base import Entry, Key
from powernap.wake.path.ebpf import EbpfPath

ENTRY = Entry(7, OWNER, answers=True, fires=True, tcp=((22, 22),))
_libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture(scope="module")
def cable() -> Iterator[Wire]:
    why = missing() or no_ebpf()
    if why:
        pytest.skip(why)
    with wire() as made:
        yield made


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "bpf"
    where.mkdir()
    if subprocess.run(["mount", "-t", "bpf", "bpf", str(where)], capture_output=True).returncode:
        pytest.skip("may not mount a bpf file system")
    try:
        yield where / "powerwaked"
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


@contextlib.contextmanager
def daemon(cable: Wire, pins: Path, keep: bool = True) -> Iterator[EbpfPath]:
    path = cable.inside(cable.here, lambda: EbpfPath(pins))
    raw = cable.raw()
    interface = cable.interface
    cable.inside(cable.here, lambda: path.attach(raw, interface))
    if not path.acts:
        pytest.skip(path.name)
    path.raw = raw  # type: ignore[attr-defined]
    try:
        yield path
    finally:
        path.close(keep)
        raw.close()


def is_answered(cable: Wire) -> bool:
    cable.drain()
    cable.send(question())
    return [frame[:42] for frame in cable.answers(1, 1.0)] == [arp.answer(OURS, SLEEPER4, ASKER, ASKER4)]


def test_the_kernel_answers_while_no_daemon_runs_and_the_next_one_knows_it(cable: Wire, pins: Path):
    key = Key(cable.interface.index, 0, SLEEPER4)
    with daemon(cable, pins) as first:
        assert first.adopted() == {}
        first.watch_cards({OWNER: 7})
        first.put({key: ENTRY})
    assert is_answered(cable)
    with daemon(cable, pins, keep=False) as second:
        assert dict(second.adopted()) == {key: ENTRY}
        assert list(second.adopted().pairs()) == [(key, ENTRY)]
        done = second.done(key)
        assert (done.answered, done.told, done.owner_seen) == (1, (ASKER,), 0.0)
        assert is_answered(cable)
        second.remove([key])
        assert not is_answered(cable)
        second.put({key: ENTRY})
    assert not is_answered(cable)
    assert not list(pins.iterdir())


def test_the_owner_stops_the_kernel_while_no_daemon_runs(cable: Wire, pins: Path):
    key = Key(cable.interface.index, 0, SLEEPER4)
    with daemon(cable, pins) as first:
        first.watch_cards({OWNER: 7})
        first.put({key: ENTRY})
    cable.send(arp.request(OWNER, SLEEPER4, ASKER4))
    assert not is_answered(cable)
    with daemon(cable, pins, keep=False) as second:
        assert second.done(key).owner_seen > 0
        cable.send(question())
        assert len(received(second.raw)) == 1  # now it is the daemon's


def shut_gates(gates: ebpf.Map) -> list[int]:
    return sorted(struct.unpack("=I", key)[0] for key, value in gates.walk() if any(value))


def test_gates_that_a_killed_daemon_left_shut_are_opened(cable: Wire, pins: Path):
    with daemon(cable, pins):
        pass
    gates = ebpf_links.pinned_map(next(pins.glob("*-gates")))
    for number in (3, 65535):
        gates.update(struct.pack("=I", number), struct.pack("=Q", 1 << 62))
    with daemon(cable, pins, keep=False) as second:
        second.shut({3, 4})
        assert shut_gates(gates) == [3, 4]
    gates.close()


def test_a_daemon_that_ends_leaves_all_gates_open(cable: Wire, pins: Path):
    """Nobody will open them, and a wake too many is better than one that is lost."""
    with daemon(cable, pins) as first:
        first.shut({0, 3})
        gates = ebpf_links.pinned_map(next(pins.glob("*-gates")))
        assert shut_gates(gates) == [0, 3]
    assert shut_gates(gates) == []
    gates.close()
    with daemon(cable, pins, keep=False):
        pass


def test_nothing_goes_on_after_a_daemon_that_does_not_want_it(cable: Wire, pins: Path):
    key = Key(cable.interface.index, 0, SLEEPER4)
    with daemon(cable, pins, keep=False) as first:
        first.put({key: ENTRY})
        assert is_answered(cable)
    assert not is_answered(cable)


def test_pins_of_another_version_are_thrown_away(cable: Wire, pins: Path, monkeypatch: pytest.MonkeyPatch):
    key = Key(cable.interface.index, 0, SLEEPER4)
    with daemon(cable, pins) as first:
        first.put({key: ENTRY})
    for path in list(pins.iterdir()):
        path.rename(path.with_name(path.name.replace(f"v{layout.VERSION}-", "v999-")))
    assert is_answered(cable)
    with daemon(cable, pins, keep=False) as second:
        assert second.adopted() == {}
        assert not is_answered(cable)


def test_a_table_of_another_form_is_thrown_away(cable: Wire, pins: Path):
    with daemon(cable, pins):
        pass
    name = pins / f"v{layout.VERSION}-cards"
    name.unlink()
    ebpf_links.pin(ebpf.Map(ebpf.HASH, 8, 8, 16), name)
    with daemon(cable, pins, keep=False) as second:
        assert second.adopted() == {}


def test_tables_that_are_full_grow_and_keep_what_they_had(cable: Wire, pins: Path, monkeypatch: pytest.MonkeyPatch):
    from powernap.wake.path import tables

    small = {name: tables._KINDS[name]._replace(entries=64) for name in ("entries", "cards")}
    monkeypatch.setattr(tables, "_KINDS", {**tables._KINDS, **small})
    index = cable.interface.index
    others = {Key(index, 0, bytes((10, 0, number // 256, number % 256))): ENTRY for number in range(1000)}
    with daemon(cable, pins) as first:
        first.put({Key(index, 0, SLEEPER4): ENTRY})
        assert is_answered(cable)
        first.put(others)
        first.watch_cards({b"\x02\x4d" + number.to_bytes(4, "big"): number + 1 for number in range(1000)})
        assert is_answered(cable)
        assert first.done(Key(index, 0, SLEEPER4)).answered == 2
        assert len(first.adopted()) == 0
    assert is_answered(cable)
    with daemon(cable, pins, keep=False) as second:
        assert len(second.adopted()) == 1001


def test_with_three_capabilities_and_no_more_it_works(cable: Wire, pins: Path):
    """As powerwaked's unit runs it: another user, the directory given to it, no memory that is both written and run.

    Where this Python is out of reach for another user, root without its other rights stands for one.
    """
    pins.mkdir()
    user = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run(["setpriv", *user, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
        user = []
    else:
        os.chown(pins, 65534, 65534)
    pins.parent.chmod(0o755)
    for parent in pins.parent.parents:
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o001)
    script = f"""
import ctypes, pathlib, sys
from powernap.config.wake.path import PathSettings
from powernap.net import interfaces
from powernap.net.rawsocket import RawSocket
from powernap.wake.path.base import Entry, Key
from powernap.wake.path.choose import choose
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) in (0, -1)  # PR_SET_MDWE, Linux 6.3
path = choose(PathSettings(use="ebpf", pin={str(pins)!r}))
interface = interfaces.read()["pn0"]
raw = RawSocket("pn0")
path.attach(raw, interface)
path.put({{Key(interface.index, 0, {SLEEPER4!r}): Entry(7, {OWNER!r}, answers=True)}})
path.close(keep=True)
print(path.name)
"""
    capabilities = "-all,+bpf,+net_admin,+net_raw"
    command = ["setpriv", *user, f"--inh-caps={capabilities}"]
    command += [f"--ambient-caps={capabilities}", f"--bounding-set={capabilities}", "--no-new-privs"]
    # ip-netns(8) has a mount namespace of its own
    inside = ["ip", "netns", "exec", cable.here, "nsenter", f"--mount=/proc/{os.getpid()}/ns/mnt"]
    run = subprocess.run(
        [*inside, *command, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f"eBPF at tcx, pinned in {pins}"
    assert is_answered(cable)
    with daemon(cable, pins, keep=False):
        pass


def test_without_rights_the_classic_path_is_chosen_and_says_why():
    script = """
from powernap.config.wake.path import PathSettings
from powernap.wake.path.choose import PathError, choose
print(choose(PathSettings()).name)
print(choose(PathSettings(use="classic")).name)
try:
    choose(PathSettings(use="ebpf"))
except PathError as error:
    print(error)
"""
    command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_raw", sys.executable, "-c", script]
    if os.geteuid():
        pytest.skip("needs root")
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    assert lines[0] == "classic BPF (no eBPF: not permitted without CAP_BPF and CAP_NET_ADMIN)"
    assert lines[1] == "classic BPF (as configured)"
    assert lines[2].startswith('path.use = "ebpf", but eBPF cannot be used (not permitted without CAP_BPF')


def test_in_a_container_it_is_not_the_capabilities_that_are_missing():
    script = """
from powernap.config.wake.path import PathSettings
from powernap.wake.path.choose import choose
print(choose(PathSettings(pin="")).name)
"""
    command = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("may not make a user namespace")
    done = subprocess.run(
        [*command, sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    name = done.stdout.strip()
    assert name == "classic BPF (no eBPF: not permitted in a container's user namespace, whatever its capabilities)"
