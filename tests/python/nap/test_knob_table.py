# SPDX-License-Identifier: GPL-3.0-or-later
"""Which knobs there are, what each makes of a value, and which devices are left alone."""

from __future__ import annotations

import json

import pytest
from plain_knobs import DEFAULT, GOVERNOR, PCI, USB, contents

from powernap.nap.powersave.table import KNOBS, select, unknown


def test_the_chosen_word_of_a_choice_is_what_counts(board):
    board.machine({"sys/module/pcie_aspm/parameters/policy": "[default] performance powersave powersupersave\n"})
    board.turn_down()
    (entry,) = [entry for entry in map(json.loads, board.journal.file.read_text().splitlines()) if "path" in entry]
    assert (entry["path"], entry["old"], entry["new"]) == (
        "sys/module/pcie_aspm/parameters/policy",
        "default",
        "powersave",
    )


def test_keyboards_and_network_adapters_on_usb_are_left_alone_and_the_hubs_above_them(board):
    root = board.machine(
        {
            USB.format("1-1"): "on\n",
            "sys/bus/usb/devices/1-1/1-1:1.0/bInterfaceClass": "08\n",
            USB.format("1-2"): "on\n",
            "sys/bus/usb/devices/1-2/1-2:1.0/bInterfaceClass": "03\n",
            USB.format("1-3"): "on\n",
            "sys/bus/usb/devices/1-3/1-3:1.0/net/eth1/address": "02:4c:00:00:00:01\n",
            USB.format("2-1"): "on\n",
            "sys/bus/usb/devices/2-1/2-1.4/2-1.4:1.0/net/eth2/address": "02:4c:00:00:00:02\n",
        }
    )
    board.turn_down()
    now = contents(root)
    assert [now[USB.format(port)] for port in ("1-1", "1-2", "1-3", "2-1")] == ["auto", "on", "on", "on"]


def test_network_cards_on_pci_are_left_alone_and_the_bridges_above_them_and_disks(board):
    """As in a real /sys: the bus' folder holds links into one tree of devices."""
    tree = "sys/devices/pci0000:00/"
    places = {
        "0000:00:1c.0": ("0x060400\n", "0000:00:1c.0"),  # the bridge above the card
        "0000:01:00.0": ("0x020000\n", "0000:00:1c.0/0000:01:00.0"),
        "0000:00:1d.0": ("0x060400\n", "0000:00:1d.0"),  # a bridge above nothing of the network
        "0000:00:1f.3": ("0x040300\n", "0000:00:1f.3"),
        "0000:00:17.0": ("0x010601\n", "0000:00:17.0"),
    }
    files = {}
    for pci_class, place in places.values():
        files |= {f"{tree}{place}/class": pci_class, f"{tree}{place}/power/control": "on\n"}
    files[f"{tree}0000:00:1c.0/0000:01:00.0/net/eth0/address"] = "02:4c:00:00:00:01\n"
    root = board.machine(files)
    for name, (_class, place) in places.items():
        link = root / "sys/bus/pci/devices" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../../../devices/pci0000:00/{place}")
    board.turn_down()
    turned = {name for name in places if (root / PCI.format(name)).read_text().strip() == "auto"}
    assert turned == {"0000:00:1d.0", "0000:00:1f.3"}
    assert board.restore() == []
    board.turn_down(select(["pci-storage-display-pm"]))
    assert (root / PCI.format("0000:00:17.0")).read_text() == "auto"


def test_the_first_processor_is_never_switched_off(board):
    root = board.machine({f"sys/devices/system/cpu/cpu{number}/online": "1\n" for number in (0, 1, 2, 11)})
    board.turn_down(select(["cpu-hotplug"]))
    now = contents(root)
    assert [now[f"sys/devices/system/cpu/cpu{n}/online"] for n in (0, 1, 2, 11)] == ["1", "0", "0", "0"]


def test_bluetooth_stays_on_while_a_keyboard_hangs_on_it(board):
    soft = "sys/class/bluetooth/hci0/rfkill0/soft"
    root = board.machine({soft: "0\n", "sys/bus/hid/devices/0005:046D:B342.0007/uevent": ""})
    board.turn_down(select(["bluetooth"]))
    assert contents(root)[soft] == "0"
    (root / "sys/bus/hid/devices/0005:046D:B342.0007").rename(root / "sys/bus/hid/devices/0003:046D:B342.0007")
    board.turn_down(select(["bluetooth"]))
    assert contents(root)[soft] == "1"


def rapl(zone="intel-rapl:0", **files):
    """A zone of powercap as in a real /sys, by default a package made for 65 W that may take 100 W."""
    given = {"name": "package-0", "enabled": "1", "constraint_0_max_power_uw": "65000000", **files}
    given = {"constraint_0_power_limit_uw": "100000000", **given}
    return {f"sys/class/powercap/{zone}/{name}": f"{text}\n" for name, text in given.items()}


LIMIT = "sys/class/powercap/intel-rapl:{}/constraint_0_power_limit_uw"


@pytest.mark.parametrize(
    ("wanted", "files", "then"),
    [
        ("", {}, "32000000"),  # whole watts
        ("15900000", {}, "15000000"),
        ("80000000", {}, "65000000"),  # no more than it is made for
        ("20000000", {"constraint_0_max_power_uw": "0"}, "20000000"),  # not told
        ("", {"constraint_0_max_power_uw": "0"}, "100000000"),
        ("40000000", {"constraint_0_power_limit_uw": "25000000"}, "25000000"),  # never up
        ("", {"enabled": "0"}, "100000000"),
        ("", {"name": "psys"}, "100000000"),
        ("0", {}, "100000000"),
    ],
)
def test_the_power_of_a_processor_is_limited_within_what_it_is_made_for_and_restored(board, wanted, files, then):
    root = board.machine({**rapl(**files), **rapl("intel-rapl:0:0", name="core")})
    before = contents(root)
    values = {"rapl_power_limit": wanted} if wanted else {}
    assert board.turn_down(select(["rapl-power-limit"]), **values) == []
    now = contents(root)
    assert (now[LIMIT.format("0")], now[LIMIT.format("0:0")]) == (then, "100000000")
    assert board.restore() == []
    assert contents(root).items() >= before.items()


def test_the_power_of_processors_is_limited_only_where_it_is_asked_for(board):
    root = board.machine(rapl())
    assert board.turn_down() == []
    assert contents(root)[LIMIT.format("0")] == "100000000"


@pytest.mark.parametrize(
    ("name", "path", "now", "then", "beside"),
    [
        ("devfreq", "sys/class/devfreq/ff9a0000.gpu/governor", "simple_ondemand", "powersave", "available_governors"),
        (
            "cpu-idle-governor",
            "sys/devices/system/cpu/cpuidle/current_governor",
            "haltpoll",
            "menu",
            "available_governors",
        ),
        ("cpu-idle-governor", "sys/devices/system/cpu/cpuidle/current_governor", "teo", "teo", "available_governors"),
        ("max-frequency", GOVERNOR.format(0).replace("governor", "max_freq"), "4000000", "800000", "cpuinfo_min_freq"),
        ("energy-bias", "sys/devices/system/cpu/cpu0/power/energy_perf_bias", "6", "15", ""),
        ("dirty-writeback", "proc/sys/vm/dirty_writeback_centisecs", "0", "0", ""),
        ("dirty-writeback", "proc/sys/vm/dirty_writeback_centisecs", "3000", "3000", ""),
        ("sata-link-power", "sys/class/scsi_host/host0/link_power_management_policy", "min_power", "min_power", ""),
        ("smt", "sys/devices/system/cpu/smt/control", "on", "off", ""),
        ("smt", "sys/devices/system/cpu/smt/control", "notsupported", "notsupported", ""),
        ("ksm", "sys/kernel/mm/ksm/run", "2", "2", ""),
        ("platform-runtime-pm", "sys/bus/platform/devices/ff1c0000.i2c/power/control", "on", "auto", ""),
        ("leds", "sys/class/leds/power/trigger", "none [heartbeat] timer", "none", ""),
        ("leds", "sys/class/leds/input3::capslock/trigger", "none [kbd-capslock]", "none [kbd-capslock]", ""),
        ("frame-buffer", "sys/class/graphics/fb0/blank", "", "4", ""),
        ("usb-autosuspend-delay", "sys/bus/usb/devices/1-1/power/autosuspend_delay_ms", "-1000", "2000", ""),
    ],
)
def test_what_a_knob_makes_of_a_value(board, name, path, now, then, beside):
    files = {path: now + "\n"}
    if beside:
        other = path.rpartition("/")[0] + "/" + beside
        files[other] = "800000\n" if "freq" in beside else "menu teo powersave\n"
    root = board.machine(files)
    assert board.turn_down(select([name])) == []
    assert contents(root)[path] == then
    assert board.restore() == []
    assert contents(root)[path] == {"frame-buffer": "0", "leds": now if then != "none" else "heartbeat"}.get(name, now)


def test_a_rotating_disk_stops_where_asked_and_no_other(board):
    control = "sys/block/{}/device/power/control"
    root = board.machine(
        {
            control.format("sda"): "on\n",
            "sys/block/sda/queue/rotational": "1\n",
            control.format("sdb"): "on\n",
            "sys/block/sdb/queue/rotational": "0\n",
        }
    )
    board.turn_down(DEFAULT)
    assert contents(root)[control.format("sda")] == "on"
    board.turn_down(select(["disk-spindown"]))
    now = contents(root)
    assert [now[control.format(disk)] for disk in ("sda", "sdb")] == ["auto", "on"]


def test_no_knob_has_to_do_with_wake_on_lan():
    assert not [knob for knob in KNOBS if "wakeup" in knob.pattern or "wol" in knob.name]


def test_nothing_that_drops_the_link_is_on_by_default():
    assert not [knob.name for knob in DEFAULT if "/net/" in knob.pattern and knob.name != "wifi-power-save"]


def test_names_and_descriptions_are_each_knobs_own():
    assert len({knob.name for knob in KNOBS}) == len(KNOBS)
    assert all(knob.description for knob in KNOBS)


def test_knobs_are_chosen_by_name_and_those_off_by_default_only_by_their_whole_names():
    assert [knob.name for knob in select(["audio", "usb-*"])] == ["usb-autosuspend-delay", "usb-autosuspend", "audio"]
    assert all(knob.default for knob in DEFAULT)
    assert "smt" in [knob.name for knob in select(["*", "smt"])]
    assert "smt" not in [knob.name for knob in select(["*", "smt"], ["sm*"])]
    assert unknown(["audio", "wol", "usb*"]) == ["wol"]
