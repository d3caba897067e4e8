# SPDX-License-Identifier: GPL-3.0-or-later
"""The input monitor against fake devices: this kernel has no /dev/input, so named pipes stand in for event devices.

What sysfs says of them is copied from real ones; tests/qemu has a real keyboard.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from attached import attached, is_called

from powernap.machine import inputs
from powernap.machine.inputs import JOYSTICK, KEYBOARD, MOUSE, OTHER, TOUCH
from powernap.nap.monitors.input import InputMonitor

# (ev, key, rel, abs, properties) of 64-bit machines
REAL = {
    "AT Translated Set 2 keyboard": (
        ("120013", "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", "0", "0", "0"),
        {KEYBOARD},
    ),
    "Logitech USB Optical Mouse": (("17", "70000 0 0 0 0", "903", "0", "0"), {MOUSE}),
    "Synaptics TM3276-022": (("b", "e520 10000 0 0 0 0", "0", "660800011000003", "5"), {TOUCH}),
    "Goodix Capacitive TouchScreen": (("b", "400 0 0 0 0 0", "0", "2650000 3", "2"), {TOUCH}),
    "QEMU QEMU USB Tablet": (("1f", "1f0000 0 0 0 0", "900", "3", "0"), {MOUSE}),
    "Microsoft X-Box 360 pad": (("20000b", "7cdb000000000000 0 0 0 0", "0", "3003f", "0"), {JOYSTICK}),
    "Power Button": (("3", "10000000000000 0", "0", "0", "0"), {OTHER}),
    "Lid Switch": (("21", "0", "0", "0", "0"), set()),
    "HDA Intel PCH Headphone": (("21", "0", "0", "0", "0"), set()),
    "ST LIS3LV02DL Accelerometer": (("9", "0", "0", "7", "40"), set()),
}
PS2 = """           CPU0       CPU1
  1:         {keys}          3  IR-IO-APIC   1-edge      i8042
  8:          1          0  IR-IO-APIC   8-edge      rtc0
 12:          5          {mouse}  IR-IO-APIC  12-edge      i8042
 16:    9999999          1  IR-IO-APIC  16-fasteoi   ehci_hcd:usb1
NMI:          0          0   Non-maskable interrupts
ERR:          0
"""


class Desk:
    """Fake devices, in a tree of their own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pipes: dict[str, int] = {}
        (root / "proc").mkdir()
        (root / "dev/input").mkdir(parents=True)
        self.interrupts(0, 0)

    def interrupts(self, keys: int, mouse: int) -> None:
        (self.root / "proc/interrupts").write_text(PS2.format(keys=keys, mouse=mouse))

    def plug(self, node: str, name: str, pipe: bool = True) -> None:
        folder = self.root / "sys/class/input" / node / "device"
        (folder / "capabilities").mkdir(parents=True)
        (folder / "name").write_text(name + "\n")
        for part, value in zip(inputs.PARTS, REAL[name][0], strict=True):
            (folder / part).write_text(value + "\n")
        if pipe:
            path = self.root / "dev/input" / node
            os.mkfifo(path)
            self.pipes[node] = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def pull(self, node: str) -> None:
        (self.root / "sys/class/input" / node).rename(self.root / f"gone-{node}-{len(list(self.root.iterdir()))}")
        (self.root / "dev/input" / node).unlink()
        os.close(self.pipes.pop(node))

    def event(self, node: str) -> None:
        os.write(self.pipes[node], bytes(24))

    def forget(self, node: str) -> None:
        """What the kernel does when a reader opens the device anew."""
        os.read(self.pipes[node], 4096)

    def close(self) -> None:
        for fd in self.pipes.values():
            os.close(fd)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def monitor(desk):
    made = []

    def make(**values):
        made.append(InputMonitor("people", values, desk.root))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("name", REAL)
def test_a_device_is_told_by_what_it_can_do(desk, name, monkeypatch):
    monkeypatch.setattr(inputs, "WORD_BITS", 64)
    desk.plug("event0", name)
    (device,) = inputs.devices(desk.root)
    assert (device.name, device.kinds) == (name, REAL[name][1])


def test_an_event_of_a_fake_keyboard_is_activity_until_the_next_look(desk, monitor):
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher = monitor()
    reading = watcher.look(100.0)
    assert (reading.last_active, reading.counts, reading.source) == (None, True, "1 of /dev/input, unread")
    desk.event("event0")
    reading = watcher.look(110.0)
    assert (reading.last_active, reading.detail) == (110.0, "used: AT Translated Set 2 keyboard")
    desk.forget("event0")
    assert watcher.look(120.0).last_active is None


def test_what_is_typed_at_a_fake_keyboard_is_never_read(desk, monitor):
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher = monitor()
    watcher.look(100.0)
    desk.event("event0")
    watcher.look(110.0)
    assert len(os.read(desk.pipes["event0"], 4096)) == 24


@pytest.mark.parametrize(
    "name", ["Power Button", "Lid Switch", "HDA Intel PCH Headphone", "ST LIS3LV02DL Accelerometer"]
)
def test_fake_devices_that_nobody_uses_by_hand_do_not_count(desk, monitor, name):
    desk.plug("event0", name)
    watcher = monitor()
    watcher.look(100.0)
    desk.event("event0")
    assert watcher.look(110.0).last_active is None


@pytest.mark.parametrize(
    ("values", "active"),
    [
        ({}, True),
        ({"mouse": False}, False),
        ({"devices": ("Logi*",)}, True),
        ({"devices": ("event7",)}, True),
        ({"devices": ("event1", "AT*")}, False),
    ],
)
def test_the_fake_devices_that_count_are_chosen_by_kind_name_and_node(desk, monitor, values, active):
    desk.plug("event7", "Logitech USB Optical Mouse")
    watcher = monitor(**values)
    watcher.look(100.0)
    desk.event("event7")
    assert (watcher.look(110.0).last_active is not None) == active


def test_other_keys_count_where_asked_on_a_fake_power_button(desk, monitor):
    desk.plug("event0", "Power Button")
    watcher = monitor(other=True)
    watcher.look(100.0)
    desk.event("event0")
    assert watcher.look(110.0).last_active == 110.0


def test_a_fake_device_that_is_plugged_in_is_activity_and_one_that_is_pulled_out_is_no_failure(desk, monitor):
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher = monitor()
    watcher.look(100.0)
    desk.plug("event1", "Logitech USB Optical Mouse")
    assert watcher.look(110.0).detail == "used: Logitech USB Optical Mouse"
    assert watcher.look(120.0).last_active is None
    desk.pull("event1")
    reading = watcher.look(130.0)
    assert (reading.last_active, reading.source) == (None, "1 of /dev/input, unread")


def test_another_fake_device_in_the_place_of_one_that_was_pulled_out_is_listened_to(desk, monitor):
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher = monitor()
    watcher.look(100.0)
    desk.pull("event0")
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher.look(110.0)
    assert watcher.look(120.0).last_active is None
    desk.event("event0")
    assert watcher.look(130.0).last_active == 130.0


def test_a_fake_device_that_cannot_be_opened_counts_as_active_and_the_remedy_is_named(desk, monitor):
    desk.plug("event0", "AT Translated Set 2 keyboard", pipe=False)
    with pytest.raises(OSError, match=r"AT Translated Set 2 keyboard\) cannot be opened .*: let powernapd run as root"):
        monitor().look(100.0)


@pytest.mark.parametrize("counts", [(1, 0), (0, 1)])
def test_without_event_devices_the_interrupts_of_ps2_count_in_a_fake_proc(desk, monitor, counts):
    watcher = monitor()
    reading = watcher.look(100.0)
    assert (reading.last_active, reading.counts, reading.source) == (None, True, "/proc/interrupts")
    desk.interrupts(*counts)
    assert watcher.look(110.0).last_active == 110.0
    assert watcher.look(120.0).last_active is None


def test_10000_fake_interrupts_are_read_in_time(desk):
    lines = [f"{number}: {number} 0 PCI-MSI {number}-edge nvme0q{number}" for number in range(10_000)]
    (desk.root / "proc/interrupts").write_text("CPU0 CPU1\n" + "\n".join([*lines, " 12: 4 5 IO-APIC 12-edge i8042"]))
    begun = os.times().user
    assert inputs.interrupts(desk.root) == {"interrupt 12": 9}
    assert os.times().user - begun < 0.2


def test_where_nothing_can_be_used_nobody_uses_it_and_no_look_is_asked_for():
    """The real tree of this machine, or that of any server without input devices."""
    if Path("/dev/input").exists() or "i8042" in Path("/proc/interrupts").read_text():
        pytest.skip("this machine has input devices")
    reading = InputMonitor("people", {}).look(1.0)
    assert (reading.last_active, reading.counts, reading.error) == (None, False, "")
    assert reading.detail == "no keyboard, mouse or the like is there"


def test_no_interrupts_at_all_counts_as_active(desk, monitor):
    (desk.root / "proc/interrupts").unlink()
    with pytest.raises(OSError, match="interrupts"):
        monitor().look(1.0)


@pytest.mark.parametrize("what", ["event", "plug"])
def test_an_armed_monitor_calls_once_at_an_event_of_a_fake_device_or_when_one_appears(desk, monitor, what):
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher = monitor()

    async def run():
        calls = []
        watcher.attach(asyncio.get_running_loop(), lambda: calls.append(1))
        watcher.look(100.0)
        watcher.arm()
        assert watcher.look(101.0).calls
        await asyncio.sleep(0.05)
        assert calls == []
        if what == "event":
            for _ in range(5):
                desk.event("event0")
        else:
            desk.plug("event1", "Logitech USB Optical Mouse")
        await asyncio.sleep(0.05)
        assert calls == [1]
        assert watcher.look(102.0).last_active == 102.0
        watcher.close()

    asyncio.run(run())


def test_a_fake_keyboard_used_between_the_look_and_the_arming_calls_at_once(desk, monitor):
    desk.plug("event0", "AT Translated Set 2 keyboard")
    watcher = monitor()

    async def run():
        async with attached(watcher) as called:
            watcher.look(100.0)
            desk.event("event0")
            watcher.arm()
            await is_called(called)

    asyncio.run(run())
