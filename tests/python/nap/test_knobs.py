# SPDX-License-Identifier: GPL-3.0-or-later
"""The knobs on a machine whose /sys and /proc/sys are plain files; the real ones are not this test's to turn."""

from __future__ import annotations

import pytest
from plain_knobs import GOVERNOR, LAPTOP_MODE, OFFERS, Board, contents

from powernap.nap.powersave.media import MEDIA
from powernap.nap.powersave.table import KNOBS, select

FILES = {
    GOVERNOR.format(0): "schedutil\n",
    OFFERS.format(0): "schedutil performance powersave\n",
    GOVERNOR.format(1): "performance\n",
    OFFERS.format(1): "schedutil performance\n",
    LAPTOP_MODE: "0\n",
    "proc/sys/vm/dirty_writeback_centisecs": "500\n",
    "sys/class/scsi_host/host0/link_power_management_policy": "max_performance\n",
}


def test_every_knob_comes_back_exactly(board):
    root = board.machine(FILES)
    before = contents(root)
    assert board.turn_down() == []
    turned = contents(root)
    assert turned[GOVERNOR.format(0)] == "powersave"
    assert turned[LAPTOP_MODE] == "5"
    assert board.restore() == []
    assert contents(root) == before
    assert not board.journal.file.exists()


def test_a_value_that_is_not_offered_is_not_written(board):
    root = board.machine(FILES)
    board.turn_down()
    assert contents(root)[GOVERNOR.format(1)] == "performance"


def test_the_configuration_gives_another_value(board):
    root = board.machine({**FILES, OFFERS.format(0): "schedutil conservative\n"})
    board.turn_down(governor="conservative")
    assert contents(root)[GOVERNOR.format(0)] == "conservative"


def test_a_crash_between_is_mended_by_the_next_start(board, tmp_path):
    root = board.machine(FILES)
    board.turn_down()
    later = Board(tmp_path)  # a new process after kill -9
    assert later.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"
    assert later.restore() == [], "nothing is put back twice"


def test_after_a_reboot_the_kernels_values_are_left(board, tmp_path):
    root = board.machine({**FILES, LAPTOP_MODE: "1\n"})
    board.turn_down()
    board.machine({**FILES, LAPTOP_MODE: "5\n", "proc/sys/kernel/random/boot_id": "second\n"})
    assert Board(tmp_path).restore() == []
    assert contents(root)[LAPTOP_MODE] == "5"
    assert not board.journal.file.exists()


def test_what_another_boot_left_in_the_journal_does_not_hide_what_this_one_adds(board, tmp_path):
    """As where the journal could not be renewed, on a full disk."""
    root = board.machine(FILES)
    board.turn_down(select(["governor"]))
    board.machine({**FILES, "proc/sys/kernel/random/boot_id": "second\n"})
    board.turn_down(select(["laptop-mode"]))
    assert contents(root)[LAPTOP_MODE] == "5"
    assert Board(tmp_path).restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_after_a_reboot_what_the_firmware_kept_is_put_back(board, tmp_path):
    profile = "sys/firmware/acpi/platform_profile"
    root = board.machine({profile: "balanced\n", f"{profile}_choices": "low-power balanced performance\n"})
    board.turn_down()
    assert contents(root)[profile] == "low-power"
    board.machine({"proc/sys/kernel/random/boot_id": "second\n"})
    assert Board(tmp_path).restore() == []
    assert contents(root)[profile] == "balanced"


def test_what_somebody_else_turned_meanwhile_is_left(board):
    root = board.machine(FILES)
    board.turn_down()
    (root / LAPTOP_MODE).write_text("2")
    assert board.restore() == ["/proc/sys/vm/laptop_mode: somebody set it to '2' meanwhile: left so"]
    assert contents(root)[LAPTOP_MODE] == "2"


def test_what_a_kill_left_half_turned_is_put_back_whatever_it_holds(board, tmp_path):
    """A driver may round a value; before the journal says so, only the plan is known."""
    root = board.machine(FILES)
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


def test_a_knob_that_shows_another_value_is_told_and_still_put_back(board, monkeypatch):
    monkeypatch.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": Stubborn(shows={"5": "4"})})
    root = board.machine({LAPTOP_MODE: "0\n"})
    assert board.turn_down() == ["/proc/sys/vm/laptop_mode: was set to '5', but holds '4'"]
    assert board.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_a_knob_that_will_not_go_back_is_told_and_tried_again(board, monkeypatch):
    root = board.machine({LAPTOP_MODE: "0\n"})
    board.turn_down()
    with monkeypatch.context() as patched:
        patched.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": Stubborn(error=16)})
        assert "cannot be set to '0'" in board.restore()[0]
    assert contents(root)[LAPTOP_MODE] == "5"
    assert board.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_the_first_value_is_remembered_where_it_could_not_be_put_back_before_the_next_nap(board, monkeypatch):
    root = board.machine({LAPTOP_MODE: "0\n"})
    board.turn_down()
    with monkeypatch.context() as patched:
        patched.setattr("powernap.nap.powersave.board.MEDIA", {**MEDIA, "file": Stubborn(error=16)})
        board.restore()
    board.turn_down(laptop_mode="9")
    assert contents(root)[LAPTOP_MODE] == "9"
    assert board.restore() == []
    assert contents(root)[LAPTOP_MODE] == "0"


def test_a_device_that_is_gone_is_told_once_and_the_others_come_back(board):
    root = board.machine(FILES)
    board.turn_down()
    (root / "sys/class/scsi_host/host0/link_power_management_policy").unlink()
    assert board.restore() == [
        "/sys/class/scsi_host/host0/link_power_management_policy: is gone, so 'max_performance' is not put back"
    ]
    assert contents(root)[LAPTOP_MODE] == "0"
    assert board.restore() == []


def test_nothing_is_made_that_was_not_there(board):
    root = board.machine(FILES)
    before = set(contents(root))
    board.turn_down(KNOBS)
    assert set(contents(root)) == before


def test_without_a_journal_no_knob_is_touched(board, tmp_path):
    root = board.machine(FILES)
    before = contents(root)
    (tmp_path / "state").write_text("a file where the directory should be")
    with pytest.raises(OSError, match="File exists"):
        board.turn_down()
    assert contents(root) == before


def test_a_spoilt_journal_is_told_and_what_can_be_read_is_put_back(board):
    root = board.machine(FILES)
    board.turn_down()
    lines = board.journal.file.read_text().splitlines(keepends=True)
    spoilt = next(number for number, line in enumerate(lines) if "laptop_mode" in line)
    lines[spoilt] = lines[spoilt][:20] + "\n"
    board.journal.file.write_text("".join(lines))
    (problem,) = board.restore()
    assert f"line {spoilt + 1} is spoilt" in problem
    assert contents(root)[GOVERNOR.format(0)] == "schedutil"


def test_a_line_that_a_kill_cut_short_had_not_begun(board):
    root = board.machine(FILES)
    board.turn_down(select(["governor"]))
    with board.journal.file.open("a") as stream:
        stream.write('{"what": "knob", "path": "proc/sys/vm/lap')
    board.turn_down(select(["dirty-*"]))  # the next line does not stick to that one
    assert board.restore() == []
    assert contents(root)[GOVERNOR.format(0)] == "schedutil"
    assert contents(root)["proc/sys/vm/dirty_writeback_centisecs"] == "500"


def test_a_knob_that_refuses_is_told_and_the_others_are_turned(board):
    root = board.machine(FILES)
    policy = root / "sys/class/scsi_host/host0/link_power_management_policy"
    policy.unlink()
    policy.symlink_to("/proc/sys/kernel/ostype")  # the kernel lets nobody set it
    (problem,) = board.turn_down()
    assert "link_power_management_policy: cannot be set" in problem
    assert contents(root)[LAPTOP_MODE] == "5"
    assert board.restore() == [], "what was never turned is no matter of the recovery"
