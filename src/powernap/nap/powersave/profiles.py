# SPDX-License-Identifier: GPL-3.0-or-later
"""The tuner that runs here saves power for us: tuned by a switch of its profile, power-profiles-daemon by a hold."""

from __future__ import annotations

from typing import ClassVar

from powernap.machine import tuners
from powernap.machine.dbus import Bus, BusError
from powernap.nap.background import beside
from powernap.nap.powersave.journal import Entry, Journal

PROFILE = "profile"
TUNED = ("com.redhat.tuned", "/Tuned", "com.redhat.tuned.control")
#: Since 0.20 the second; older ones, and tuned's stand-in for it, have the first.
POWER_PROFILES = (
    ("org.freedesktop.UPower.PowerProfiles", "/org/freedesktop/UPower/PowerProfiles"),
    ("net.hadess.PowerProfiles", "/net/hadess/PowerProfiles"),
)
SAVER = "power-saver"
#: The journal's words for tuned without a profile, and for the one that tuned chose itself.
MANUAL, AUTOMATIC = "manual", "auto"


class Profiles:
    """``backend``: the option of that name. One bus connection lives as long as a hold does: the hold ends with it.

    The hold is the process's: whoever comes after a change of the configuration can release it.
    """

    _held: ClassVar[tuple[Bus, tuple[str, str, str], int] | None] = None

    def __init__(self, backend: str, tuned_profile: str, journal: Journal) -> None:
        self._backend = backend
        self._tuned_profile = tuned_profile
        self._journal = journal
        self.running: tuple[tuners.Tuner, ...] = ()
        #: What is in force by whom, a sentence for status; "" for nothing.
        self.note = ""

    @classmethod
    def holds(cls) -> bool:
        """Tell whether there is a hold, which would end with this process."""
        return cls._held is not None

    async def survey(self) -> tuple[str, ...]:
        """Find the tuners that run; return the knobs that are theirs."""
        try:
            bus = Bus()
        except BusError:  # without a bus there is no tuner that could be asked, nor one that runs as a unit
            self.running = ()
            return ()
        try:
            self.running = await tuners.running(bus)
        finally:
            bus.close()
        return tuple(name for tuner in self.running for name in tuner.manages)

    def chosen(self) -> str:
        """Return which tuner is to save power: that of the configuration, or of those that run; "knobs" for none."""
        if self._backend != "auto":
            return self._backend
        names = [tuner.name for tuner in self.running]
        # tuned's stand-in has both names: a hold of it ends by itself if we die
        return next((name for name in ("power-profiles-daemon", "tuned") if name in names), "knobs")

    async def take(self) -> list[str]:
        """Make the tuner save power; return what went wrong, one sentence each."""
        chosen = self.chosen()
        if chosen == "knobs":
            return []
        bus = None
        try:
            bus = Bus(self._lost)
            await (self._take_tuned(bus) if chosen == "tuned" else self._hold(bus))
        except BusError as error:
            return [f"{chosen} does not save power: {error}"]
        except OSError as error:
            return [f"{chosen} is left alone, as what to put back cannot be written down: {error.strerror}"]
        finally:
            if bus is not None and (self._held is None or self._held[0] is not bus):
                bus.close()
        return []

    async def give_back(self, entries: list[Entry], settled: set[int]) -> list[str]:
        """Put tuned's profile back, if it is still ours, and release the hold; return what could not be."""
        problems = []
        self.note = ""
        if self._held is not None:
            bus, address, cookie = self._held
            Profiles._held = None
            try:
                await bus.call(address, "ReleaseProfile", "u", (cookie,))
            except BusError:
                pass  # it ends with the connection, which is closed next
            finally:
                bus.close()
        for place, entry in reversed(list(enumerate(entries))):
            if entry["what"] == PROFILE:
                try:
                    problems += await self._restore_tuned(entry)
                    settled.add(place)
                except BusError as error:
                    problems.append(f"tuned's profile {entry['old']!r} is not put back: {error}")
        return problems

    async def _take_tuned(self, bus: Bus) -> None:
        (old,) = await bus.call(TUNED, "active_profile")
        if old == self._tuned_profile:
            return
        mode = await _mode(bus)
        entry = {"what": PROFILE, "old": old, "new": self._tuned_profile, "mode": mode, "lasting": True}
        await beside(lambda: self._journal.add([entry]))
        ok, text = (await bus.call(TUNED, "switch_profile", "s", (self._tuned_profile,)))[0]
        if not ok:
            raise BusError(f"it does not switch to {self._tuned_profile!r}: {text}")
        self.note = f"tuned saves power with its profile {self._tuned_profile}"

    async def _restore_tuned(self, entry: Entry) -> list[str]:
        bus = Bus()
        try:
            (now,) = await bus.call(TUNED, "active_profile")
            if now == entry["old"]:
                return []
            if now != entry["new"]:
                return [f"tuned: somebody switched to the profile {now!r} meanwhile: left so"]
            if not entry["old"]:
                (ok,), text = await bus.call(TUNED, "disable"), "it cannot be disabled"
            elif entry.get("mode") == AUTOMATIC:
                ok, text = (await bus.call(TUNED, "auto_profile"))[0]
            else:
                ok, text = (await bus.call(TUNED, "switch_profile", "s", (entry["old"],)))[0]
            return [] if ok else [f"tuned does not switch back to {entry['old']!r}: {text}"]
        finally:
            bus.close()

    async def _hold(self, bus: Bus) -> None:
        (names,) = await bus.call(tuners.BUS, "ListNames")
        found = [(name, path, name) for name, path in POWER_PROFILES if name in names]
        if not found:
            raise BusError("it does not run")
        offered = [profile["Profile"][1] for profile in await bus.get(found[0], "Profiles")]
        if SAVER not in offered:
            raise BusError(f"it offers no {SAVER} here, only {', '.join(offered)}")
        (cookie,) = await bus.call(found[0], "HoldProfile", "sss", (SAVER, "This machine is idle", "powernapd"))
        Profiles._held = (bus, found[0], cookie)
        self.note = f"power-profiles-daemon holds {SAVER}"

    def _lost(self) -> None:
        Profiles._held = None
        self.note = ""


async def _mode(bus: Bus) -> str:
    """Return whether tuned chose its profile itself; older ones do not tell."""
    try:
        return AUTOMATIC if (await bus.call(TUNED, "profile_mode"))[0][0] == AUTOMATIC else MANUAL
    except BusError:
        return MANUAL
