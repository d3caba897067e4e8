# SPDX-License-Identifier: GPL-3.0-or-later
"""The knobs on a machine whose /sys and /proc/sys are plain files; the real ones are not this test's to turn."""

from __future__ import annotations

import json

import pytest

from powernap.nap.powersave.board import KnobBoard
from powernap.nap.powersave.journal import Journal
from powernap.nap.powersave.media import MEDIA
from powernap.nap.powersave.table import KNOBS, select, unknown

GOVERNOR = "sys/devices/system/cpu/cpufreq/policy{}/scaling_governor"
OFFERS = "sys/devices/system/cpu/cpufreq/policy{}/scaling_available_governors"
USB = "sys/bus/usb/devices/{}/power/control"
PCI = "sys/bus/pci/devices/{}/power/control"
LAPTOP_MODE = "proc/sys/vm/laptop_mode"
DEFAULT = select(["*"])


class Board:
    """A KnobBoard with its journal, as the action uses them."""

    def __init__(self, folder):
        self.journal = Journal(folder / "state" / "powersave.journal", folder / "root")
        self.board = KnobBoard(self.journal, folder / "root")

    def turn_down(self, knobs=DEFAULT, **values):
        return self.board.turn_down(knobs, {name.replace("_", "-"): value for name, value in values.items()})

    def restore(self):
        entries, problems = self.journal.read()
        settled = set()
        problems += self.board.restore(entries, settled)
        self.journal.replace(entry for place, entry in enumerate(entries) if place not in settled)
        return problems


@pytest.fixture
def machine(tmp_path):
    def make(files):
        for path, text in {"proc/sys/kernel/random/boot_id": "first\n", **files}.items():
            file = tmp_path / "root" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / "root"

    return make


@pytest.fixture
def board(tmp_path):
    return Board(tmp_path)


def contents(root):
    return {str(path.relative_to(root)): path.read_text().strip() for path in root.rglob("*") if path.is_file()}


FILES = {
    GOVERNOR.format(0): "schedutil\n",
    OFFERS.format(0): "schedutil performance powersave\n",
    GOVERNOR.format(1): "performance\n",
    OFFERS.format(1): "schedutil performance\n",
    LAPTOP_MODE: "0\n",
    "proc/sys/vm/dirty_writeback_centisecs": "500\n",
    "sys/class/scsi_host/host0/link_power_management_policy": "max_performance\n",
}


def test_every_knob_comes_back_exactly(machine, board):
    root = machine(FILES)
    before = contents(root)
    assert board.turn_down() == []
    turned = contents(root)
    assert turned[GOVERNOR.format(0)] == "powersave"
    assert turned[LAPTOP_MODE] == "5"
    assert board.restore() == []
    assert contents(root) == before
    assert not board.journal.file.exists()


def test_a_value_that_is_not_offered_is_not_written(machine, board):
    root = machine(FILES)
    board.turn_down()
    assert contents(root)[GOVERNOR.format(1)] == "performance"


def test_the_configuration_gives_another_value(machine, board):
    root = machine({**FILES, OFFERS.format(0): "schedutil conservative\n"})
    board.turn_down(governor="conservative")
    assert contents(root)[GOVERNOR.format(0)] == "conservative"


def test_a_crash_between_is_mended_by_the_next_start(machine, board, tmp_path):
    root = machine(FILES)
    board.turn_down()
    later = Board(tmp_path)  # a new process after kill -9
    assert later.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"
    assert later.restore() == [], "nothing is put back twice"


def test_after_a_reboot_the_kernels_values_are_left(machine, board, tmp_path):
    root = machine({**FILES, LAPTOP_MODE: "1\n"})
    board.turn_down()
    machine({**FILES, LAPTOP_MODE: "5\n", "proc/sys/kernel/random/boot_id": "second\n"})  # set by sysctl.d at boot
    assert Board(tmp_path).restore() == []
    assert contents(root)[LAPTOP_MODE] == "5"
    assert not board.journal.file.exists()


def test_what_another_boot_left_in_the_journal_does_not_hide_what_this_one_adds(machine, board, tmp_path):
    """As where the journal could not be renewed, on a full disk."""
    root = machine(FILES)
    board.turn_down(select(["governor"]))
    machine({**FILES, "proc/sys/kernel/random/boot_id": "second\n"})
    board.turn_down(select(["laptop-mode"]))
    assert contents(root)[LAPTOP_MODE] == "5"
    assert Board(tmp_path).restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_after_a_reboot_what_the_firmware_kept_is_put_back(machine, board, tmp_path):
    profile = "sys/firmware/acpi/platform_profile"
    root = machine({profile: "balanced\n", f"{profile}_choices": "low-power balanced performance\n"})
    board.turn_down()
    assert contents(root)[profile] == "low-power"
    machine({"proc/sys/kernel/random/boot_id": "second\n"})
    assert Board(tmp_path).restore() == []
    assert contents(root)[profile] == "balanced"


def test_what_somebody_else_turned_meanwhile_is_left(machine, board):
    root = machine(FILES)
    board.turn_down()
    (root / LAPTOP_MODE).write_text("2")
    assert board.restore() == ["/proc/sys/vm/laptop_mode: somebody set it to '2' meanwhile: left so"]
    assert contents(root)[LAPTOP_MODE] == "2"


def test_what_a_kill_left_half_turned_is_put_back_whatever_it_holds(machine, board, tmp_path):
    """A driver may round a value; before the journal says so, only the plan is known."""
    root = machine(FILES)
    board.turn_down()
    lines = board.journal.file.read_text().splitlines(keepends=True)
    board.journal.file.write_text("".join(line for line in lines if '"shown"' not in line))
    (root / LAPTOP_MODE).write_text("4")
    assert Board(tmp_path).restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


class Stubborn:
    """A fake driver: a knob that takes every value but shows another, or refuses."""

    def __init__(self, shows=None, error=None):
        self.shows, self.error = shows, error

    def read(self, path):
        return path.read_text().strip()

    def write(self, path, value):
        if self.error is not None:
            raise OSError(self.error, "refused by the fake driver")
        path.write_text(self.shows.get(value, value))


def test_a_knob_that_shows_another_value_is_told_and_still_put_back(machine, board, monkeypatch):
    monkeypatch.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": Stubborn(shows={"5": "4"})})
    root = machine({LAPTOP_MODE: "0\n"})
    assert board.turn_down() == ["/proc/sys/vm/laptop_mode: was set to '5', but holds '4'"]
    assert board.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_a_knob_that_will_not_go_back_is_told_and_tried_again(machine, board, monkeypatch):
    root = machine({LAPTOP_MODE: "0\n"})
    board.turn_down()
    with monkeypatch.context() as patched:
        patched.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": Stubborn(error=16)})
        assert "cannot be set to '0'" in board.restore()[0]
    assert contents(root)[LAPTOP_MODE] == "5"
    assert board.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_the_first_value_is_remembered_where_it_could_not_be_put_back_before_the_next_nap(machine, board, monkeypatch):
    root = machine({LAPTOP_MODE: "0\n"})
    board.turn_down()
    with monkeypatch.context() as patched:
        patched.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": Stubborn(error=16)})
        board.restore()
    board.turn_down(laptop_mode="9")
    assert contents(root)[LAPTOP_MODE] == "9"
    assert board.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_a_device_that_is_gone_is_told_once_and_the_others_come_back(machine, board):
    root = machine(FILES)
    board.turn_down()
    (root / "sys/class/scsi_host/host0/link_power_management_policy").unlink()
    assert board.restore() == [
        "/sys/class/scsi_host/host0/link_power_management_policy: is gone, so 'max_performance' is not put back"
    ]
    assert contents(root)[LAPTOP_MODE] == "0"
    assert board.restore() == []


def test_nothing_is_made_that_was_not_there(machine, board):
    root = machine(FILES)
    before = set(contents(root))
    board.turn_down(KNOBS)
    assert set(contents(root)) == before


def test_without_a_journal_no_knob_is_touched(machine, board, tmp_path):
    root = machine(FILES)
    before = contents(root)
    (tmp_path / "state").write_text("a file where the directory should be")
    with pytest.raises(OSError, match="File exists"):
        board.turn_down()
    assert contents(root) == before


def test_a_spoilt_journal_is_told_and_what_can_be_read_is_put_back(machine, board):
    root = machine(FILES)
    board.turn_down()
    lines = board.journal.file.read_text().splitlines(keepends=True)
    spoilt = next(number for number, line in enumerate(lines) if "laptop_mode" in line)
    lines[spoilt] = lines[spoilt][:20] + "\n"
    board.journal.file.write_text("".join(lines))
    (problem,) = board.restore()
    assert f"line {spoilt + 1} is spoilt" in problem
    assert contents(root)[GOVERNOR.format(0)] == "schedutil"


def test_a_line_that_a_kill_cut_short_had_not_begun(machine, board):
    root = machine(FILES)
    board.turn_down(select(["governor"]))
    with board.journal.file.open("a") as stream:
        stream.write('{"what": "knob", "path": "proc/sys/vm/lap')
    board.turn_down(select(["dirty-*"]))  # the next line does not stick to that one
    assert board.restore() == []
    assert contents(root)[GOVERNOR.format(0)] == "schedutil"
    assert contents(root)["proc/sys/vm/dirty_writeback_centisecs"] == "500"


def test_a_knob_that_refuses_is_told_and_the_others_are_turned(machine, board):
    root = machine(FILES)
    policy = root / "sys/class/scsi_host/host0/link_power_management_policy"
    policy.unlink()
    policy.symlink_to("/proc/sys/kernel/ostype")  # the kernel lets nobody set it
    (problem,) = board.turn_down()
    assert "link_power_management_policy: cannot be set" in problem
    assert contents(root)[LAPTOP_MODE] == "5"
    assert board.restore() == [], "what was never turned is no matter of the recovery"


def test_the_chosen_word_of_a_choice_is_what_counts(machine, board):
    machine({"sys/module/pcie_aspm/parameters/policy": "[default] performance powersave powersupersave\n"})
    board.turn_down()
    (entry,) = [entry for entry in map(json.loads, board.journal.file.read_text().splitlines()) if "path" in entry]
    assert (entry["path"], entry["old"], entry["new"]) == (
        "sys/module/pcie_aspm/parameters/policy",
        "default",
        "powersave",
    )


def test_keyboards_and_network_adapters_on_usb_are_left_alone_and_the_hubs_above_them(machine, board):
    root = machine(
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


def test_network_cards_on_pci_are_left_alone_and_the_bridges_above_them_and_disks(machine, board):
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
    root = machine(files)
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


def test_the_first_processor_is_never_switched_off(machine, board):
    root = machine({f"sys/devices/system/cpu/cpu{number}/online": "1\n" for number in (0, 1, 2, 11)})
    board.turn_down(select(["cpu-hotplug"]))
    now = contents(root)
    assert [now[f"sys/devices/system/cpu/cpu{n}/online"] for n in (0, 1, 2, 11)] == ["1", "0", "0", "0"]


def test_bluetooth_stays_on_while_a_keyboard_hangs_on_it(machine, board):
    soft = "sys/class/bluetooth/hci0/rfkill0/soft"
    root = machine({soft: "0\n", "sys/bus/hid/devices/0005:046D:B342.0007/uevent": ""})
    board.turn_down(select(["bluetooth"]))
    assert contents(root)[soft] == "0"
    (root / "sys/bus/hid/devices/0005:046D:B342.0007").rename(root / "sys/bus/hid/devices/0003:046D:B342.0007")
    board.turn_down(select(["bluetooth"]))
    assert contents(root)[soft] == "1"


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
def test_what_a_knob_makes_of_a_value(machine, board, name, path, now, then, beside):
    files = {path: now + "\n"}
    if beside:
        other = path.rpartition("/")[0] + "/" + beside
        files[other] = "800000\n" if "freq" in beside else "menu teo powersave\n"
    root = machine(files)
    assert board.turn_down(select([name])) == []
    assert contents(root)[path] == then
    assert board.restore() == []
    assert contents(root)[path] == {"frame-buffer": "0", "leds": now if then != "none" else "heartbeat"}.get(name, now)


def test_a_rotating_disk_stops_where_asked_and_no_other(machine, board):
    control = "sys/block/{}/device/power/control"
    root = machine(
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
