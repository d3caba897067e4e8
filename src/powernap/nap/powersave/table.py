# SPDX-License-Identifier: GPL-3.0-or-later
"""The knobs that powersave turns down. None touches Wake-on-LAN. What may disturb or is uncertain is off by default.

Sources: Documentation/admin-guide/pm, admin-guide/sysctl/{vm,kernel}.rst, ABI/{stable,testing}/sysfs-* of the kernel.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from powernap.nap.powersave import choosing
from powernap.nap.powersave.choosing import Choose

#: Media that ask the kernel by sockets, in the machine's own network namespace and with CAP_NET_ADMIN.
BY_SOCKETS = ("eee", "link-modes", "queues", "wifi")
CPUFREQ = "sys/devices/system/cpu/cpufreq/policy*/"


@dataclass(frozen=True)
class Knob:
    """``pattern``: files or devices below the root; ``value``: what is wanted, "" where ``choose`` finds it.

    ``lasting``: the setting outlives a reboot. The table's order is that in which they are turned down.
    """

    name: str
    pattern: str
    value: str
    description: str
    choose: Choose = choosing.always
    default: bool = True
    medium: str = "file"
    lasting: bool = False


def _on(name: str, pattern: str, value: str, text: str, choose: Choose = choosing.always, **more: Any) -> Knob:
    return Knob(name, pattern, value, text, choose, True, **more)


def _opt_in(name: str, pattern: str, value: str, text: str, choose: Choose = choosing.always, **more: Any) -> Knob:
    return Knob(name, pattern, value, text, choose, False, **more)


PROCESSOR = (
    _on(
        "governor",
        CPUFREQ + "scaling_governor",
        "powersave",
        "governor of the processors' frequencies, x86 and ARM",
        choosing.offered_by("scaling_available_governors"),
    ),
    _on(
        "energy-preference",
        CPUFREQ + "energy_performance_preference",
        "power",
        "hint to the processor's own governor (EPP)",
        choosing.offered_by("energy_performance_available_preferences"),
    ),
    _on(
        "energy-bias",
        "sys/devices/system/cpu/cpu*/power/energy_perf_bias",
        "15",
        "hint to older Intel processors (EPB), 0 to 15",
        choosing.raise_to,
    ),
    _on("turbo-intel", "sys/devices/system/cpu/intel_pstate/no_turbo", "1", "no turbo frequencies, Intel"),
    _on("turbo-boost", "sys/devices/system/cpu/cpufreq/boost", "0", "no boost frequencies, of all processors"),
    _on("turbo-policy", CPUFREQ + "boost", "0", "no boost frequencies, of each frequency domain"),
    _opt_in(
        "max-performance",
        "sys/devices/system/cpu/intel_pstate/max_perf_pct",
        "50",
        "limit of the performance in percent, Intel",
        choosing.lower_to,
    ),
    _opt_in(
        "max-frequency",
        CPUFREQ + "scaling_max_freq",
        "",
        "limit of the frequency in kHz; by default the lowest there is",
        choosing.value_of("cpuinfo_min_freq"),
    ),
    _opt_in(
        "rapl-power-limit",
        "sys/class/powercap/intel-rapl:[0-9]*/constraint_0_power_limit_uw",
        "",
        "limit of each processor's power in microwatts (RAPL, Intel); by default half of what it is made for",
        choosing.power_limit,
    ),
    _opt_in(
        "cpu-idle-governor",
        "sys/devices/system/cpu/cpuidle/current_governor",
        "menu",
        "governor of the idle states, in place of ladder or haltpoll",
        lambda path, wanted, now: (
            choosing.offered_by("available_governors")(path, wanted, now) if now in ("ladder", "haltpoll") else None
        ),
    ),
    _opt_in(
        "cpu-hotplug",
        "sys/devices/system/cpu/cpu[0-9]*/online",
        "0",
        "switch off all processors but the first; moves interrupts and pinned processes",
        choosing.never_the_first_cpu,
    ),
    _opt_in("smt", "sys/devices/system/cpu/smt/control", "off", "no hyper-threads", choosing.only_from("on")),
)

BUSES = (
    _on("pcie-aspm", "sys/module/pcie_aspm/parameters/policy", "powersave", "PCIe link states", choosing.offered),
    _on(
        "pci-runtime-pm",
        "sys/bus/pci/devices/*/power/control",
        "auto",
        "idle PCI devices sleep; not NICs, disks, screens, nor the bridges above a NIC",
        choosing.pci,
    ),
    _opt_in(
        "pci-storage-display-pm",
        "sys/bus/pci/devices/*/power/control",
        "auto",
        "idle PCI storage and display controllers sleep",
        choosing.pci_storage_or_display,
    ),
    _opt_in(
        "platform-runtime-pm",
        "sys/bus/platform/devices/*/power/control",
        "auto",
        "idle devices of the board sleep, mostly ARM; not NICs",
        choosing.without_network,
    ),
    _on(
        "usb-autosuspend-delay",
        "sys/bus/usb/devices/*/power/autosuspend_delay_ms",
        "2000",
        "idle time in ms, where a negative one forbids autosuspend; not as below",
        choosing.usb_delay,
    ),
    _on(
        "usb-autosuspend",
        "sys/bus/usb/devices/*/power/control",
        "auto",
        "idle USB devices sleep; not keyboards, mice, network adapters, nor the hubs above those",
        choosing.usb,
    ),
    _on(
        "devfreq",
        "sys/class/devfreq/*/governor",
        "powersave",
        "frequencies of memory, buses and GPUs, mostly ARM",
        choosing.offered_by("available_governors"),
    ),
)

DISKS = (
    _on(
        "sata-link-power",
        "sys/class/scsi_host/host*/link_power_management_policy",
        "med_power_with_dipm",
        "link states of SATA (ALPM); min_power has lost data on old disks",
        choosing.unless("med_power_with_dipm", "min_power", "min_power_with_partial"),
    ),
    _opt_in(
        "disk-apm",
        "sys/block/sd*/device",
        "128",
        "power management of rotating disks, needs hdparm; below 128 they stop",
        choosing.rotating,
        medium="apm",
    ),
    _opt_in(
        "disk-spindown-delay",
        "sys/block/sd*/device/power/autosuspend_delay_ms",
        "300000",
        "idle time in ms after which disk-spindown stops a rotating disk",
        choosing.rotating_longer,
    ),
    _opt_in(
        "disk-spindown",
        "sys/block/sd*/device/power/control",
        "auto",
        "idle rotating disks stop; each stop wears them",
        choosing.rotating,
    ),
    _on("dirty-writeback", "proc/sys/vm/dirty_writeback_centisecs", "1500", "write back less often", choosing.stretch),
    _opt_in(
        "dirty-expire",
        "proc/sys/vm/dirty_expire_centisecs",
        "6000",
        "age at which data is written; a power cut loses as much",
        choosing.stretch,
    ),
    _on("laptop-mode", "proc/sys/vm/laptop_mode", "5", "write in one go when a disk turns anyway", choosing.raise_to),
    _opt_in(
        "xfs-sync",
        "proc/sys/fs/xfs/xfssyncd_centisecs",
        "6000",
        "XFS writes its metadata less often",
        choosing.raise_to,
    ),
)

NETWORK = (
    _on("wifi-power-save", "sys/class/net/*/phy80211", "on", "power save of Wi-Fi, needs iw", medium="wifi"),
    _opt_in(
        "ethernet-eee",
        "sys/class/net/*/device",
        "on",
        "Energy-Efficient Ethernet; many cards drop the link for seconds at each change",
        medium="eee",
    ),
    _opt_in(
        "ethernet-speed",
        "sys/class/net/*/device",
        "",
        "100 Mbit/s at most; drops the link for seconds at each change",
        choosing.slower_link,
        medium="link-modes",
    ),
    _opt_in(
        "ethernet-queues",
        "sys/class/net/*/device",
        "",
        "one queue in place of many; many cards drop the link at each change",
        choosing.fewest_queues,
        medium="queues",
    ),
    _opt_in(
        "bluetooth",
        "sys/class/bluetooth/hci*/rfkill*/soft",
        "1",
        "Bluetooth off; not while a keyboard or mouse is connected by it",
        choosing.bluetooth,
        lasting=True,
    ),
)

DEVICES = (
    _on(
        "audio",
        "sys/module/snd_hda_intel/parameters/power_save",
        "1",
        "idle time in s of the audio codec",
        choosing.only_from("0"),
    ),
    _on("audio-controller", "sys/module/snd_hda_intel/parameters/power_save_controller", "Y", "with its controller"),
    _on(
        "audio-ac97",
        "sys/module/snd_ac97_codec/parameters/power_save",
        "1",
        "the same for AC97",
        choosing.only_from("0"),
    ),
    _on(
        "gpu-radeon-state",
        "sys/class/drm/card*/device/power_dpm_state",
        "battery",
        "state of older AMD graphics",
        choosing.only_from("balanced", "performance"),
    ),
    _opt_in(
        "gpu-amd-level",
        "sys/class/drm/card*/device/power_dpm_force_performance_level",
        "low",
        "lowest clocks of AMD graphics; flickers on some screens",
        choosing.only_from("auto", "high"),
    ),
    _opt_in(
        "gpu-intel-boost",
        "sys/class/drm/card*/gt_boost_freq_mhz",
        "",
        "no boost of Intel graphics above the lowest clock",
        choosing.value_of("gt_RPn_freq_mhz"),
    ),
    _opt_in(
        "gpu-intel-frequency",
        "sys/class/drm/card*/gt_max_freq_mhz",
        "",
        "limit of Intel graphics in MHz; by default the lowest there is",
        choosing.value_of("gt_RPn_freq_mhz"),
    ),
    _on(
        "platform-profile",
        "sys/firmware/acpi/platform_profile",
        "low-power",
        "profile of the firmware: fans and limits",
        choosing.offered_by("platform_profile_choices"),
        lasting=True,
    ),
    _opt_in("backlight", "sys/class/backlight/*/bl_power", "4", "light of built-in screens off"),
    _opt_in("frame-buffer", "sys/class/graphics/fb*/blank", "4", "outputs of the console off", medium="frame-buffer"),
    _opt_in(
        "leds", "sys/class/leds/*/trigger", "none", "lights out; not of keyboards and NICs", choosing.no_keyboard_light
    ),
    _opt_in(
        "led-brightness", "sys/class/leds/*/brightness", "0", "those without trigger, too", choosing.no_keyboard_light
    ),
)

KERNEL = (
    _on("nmi-watchdog", "proc/sys/kernel/nmi_watchdog", "0", "no watch over hanging processors, which wakes them"),
    _on(
        "ksm",
        "sys/kernel/mm/ksm/run",
        "0",
        "no search for equal memory; what was merged stays",
        choosing.only_from("1"),
    ),
)

KNOBS = (*PROCESSOR, *BUSES, *DISKS, *NETWORK, *DEVICES, *KERNEL)


def select(names: Iterable[str], but: Iterable[str] = ()) -> tuple[Knob, ...]:
    """Return the knobs that the names mean: with * and ? only those on by default, the others by their whole names."""
    names, but = tuple(names), tuple(but)
    return tuple(
        knob
        for knob in KNOBS
        if (knob.name in names or (knob.default and _matches(knob.name, names))) and not _matches(knob.name, but)
    )


def of_part(knobs: Iterable[Knob], part: str) -> tuple[Knob, ...]:
    """Return "all" of the knobs, those of the "network" (by sockets), or of the "machine" (by files of root's)."""
    return tuple(knob for knob in knobs if part in ("all", "network" if knob.medium in BY_SOCKETS else "machine"))


def unknown(names: Iterable[str]) -> list[str]:
    """Return the names that mean no knob at all."""
    return [name for name in names if not any(fnmatch.fnmatchcase(knob.name, name) for knob in KNOBS)]


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
