# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest

from powernap.nap.actions.knobs import KNOBS, KnobBoard, select, unknown

GOVERNOR = "sys/devices/system/cpu/cpufreq/policy{}/scaling_governor"
USB = "sys/bus/usb/devices/{}/power/control"


@pytest.fixture
def machine(tmp_path):
    """A machine's /sys and /proc/sys as plain files; the real ones are not this test's to turn."""

    def make(files):
        for path, text in files.items():
            file = tmp_path / "root" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path / "root"

    return make


@pytest.fixture
def board(tmp_path):
    return KnobBoard(tmp_path / "state" / "knobs.json", tmp_path / "root")


def contents(root):
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


FILES = {
    GOVERNOR.format(0): "schedutil\n",
    GOVERNOR.format(0).replace("_governor", "_available_governors"): "schedutil performance powersave\n",
    GOVERNOR.format(1): "performance\n",
    GOVERNOR.format(1).replace("_governor", "_available_governors"): "schedutil performance\n",
    "proc/sys/vm/laptop_mode": "0\n",
    "proc/sys/vm/dirty_writeback_centisecs": "500\n",
    "sys/class/scsi_host/host0/link_power_management_policy": "max_performance\n",
}


def test_every_knob_comes_back_exactly(machine, board):
    root = machine(FILES)
    assert board.turn_down(KNOBS) == []
    turned = contents(root)
    assert turned[GOVERNOR.format(0)] == "powersave"
    assert turned["proc/sys/vm/laptop_mode"] == "5"
    assert board.restore() == []
    assert {path: text.strip() for path, text in contents(root).items()} == {p: t.strip() for p, t in FILES.items()}


def test_a_value_that_is_not_offered_is_not_written(machine, board):
    root = machine(FILES)
    board.turn_down(KNOBS)
    assert contents(root)[GOVERNOR.format(1)] == "performance\n"


def test_a_crash_between_is_mended_by_the_next_start(machine, board, tmp_path):
    root = machine(FILES)
    board.turn_down(KNOBS)
    later = KnobBoard(tmp_path / "state" / "knobs.json", root)  # a new process after kill -9
    assert later.restore() == []
    assert contents(root)["proc/sys/vm/laptop_mode"] == "0"
    assert later.restore() == [], "nothing is put back twice"


def test_turning_down_twice_remembers_the_first_values(machine, board):
    root = machine(FILES)
    board.turn_down(KNOBS)
    board.turn_down(KNOBS)
    board.restore()
    assert contents(root)["proc/sys/vm/laptop_mode"] == "0"


def test_what_somebody_else_turned_meanwhile_is_left(machine, board):
    root = machine(FILES)
    board.turn_down(KNOBS)
    (root / "proc/sys/vm/laptop_mode").write_text("2")
    assert board.restore() == ["/proc/sys/vm/laptop_mode: somebody set it to '2' meanwhile: left so"]
    assert contents(root)["proc/sys/vm/laptop_mode"] == "2"


def test_without_a_journal_no_knob_is_touched(machine, tmp_path):
    root = machine(FILES)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        KnobBoard(tmp_path / "file" / "knobs.json", root).turn_down(KNOBS)
    assert contents(root) == FILES


def test_a_spoilt_journal_is_told_and_does_not_stop_the_daemon(machine, board, tmp_path):
    machine(FILES)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "knobs.json").write_text("[{")
    assert "cannot be read" in board.restore()[0]


def test_a_knob_that_refuses_is_told_and_the_others_are_turned(machine, board):
    root = machine(FILES)
    policy = root / "sys/class/scsi_host/host0/link_power_management_policy"
    policy.unlink()
    policy.symlink_to("/proc/sys/kernel/ostype")  # the kernel lets nobody set it
    problems = board.turn_down([knob for knob in KNOBS if knob.name != "governor"])
    assert len(problems) == 1
    assert "link_power_management_policy" in problems[0]
    assert contents(root)["proc/sys/vm/laptop_mode"] == "5"


def test_the_chosen_word_of_a_choice_is_what_counts(machine, board, tmp_path):
    machine({"sys/module/pcie_aspm/parameters/policy": "[default] performance powersave powersupersave\n"})
    board.turn_down(KNOBS)
    journal = json.loads((tmp_path / "state" / "knobs.json").read_text())
    assert journal == [{"path": "sys/module/pcie_aspm/parameters/policy", "old": "default", "new": "powersave"}]


def test_keyboards_and_network_adapters_on_usb_are_left_alone(machine, board):
    root = machine(
        {
            USB.format("1-1"): "on\n",
            "sys/bus/usb/devices/1-1/1-1:1.0/bInterfaceClass": "08\n",
            USB.format("1-2"): "on\n",
            "sys/bus/usb/devices/1-2/1-2:1.0/bInterfaceClass": "03\n",
            USB.format("1-3"): "on\n",
            "sys/bus/usb/devices/1-3/1-3:1.0/net/eth1/address": "02:4c:00:00:00:01\n",
        }
    )
    board.turn_down(KNOBS)
    now = contents(root)
    assert [now[USB.format(port)].strip() for port in ("1-1", "1-2", "1-3")] == ["auto", "on", "on"]


def test_no_knob_has_to_do_with_wake_on_lan():
    assert not [knob for knob in KNOBS if "net" in knob.pattern or "wakeup" in knob.pattern]


def test_knobs_are_chosen_by_name():
    assert [knob.name for knob in select(["audio", "usb-*"])] == ["audio", "usb-autosuspend"]
    assert select(["*"]) == KNOBS
    assert unknown(["audio", "wol", "usb*"]) == ["wol"]
