# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that sleeps for real: Debian 12 with its own kernel in QEMU, emulated, disguised as a physical one.

Its network is a datagram socket in the test's folder: nothing leaves this process. QEMU's cards keep their Wake-on-LAN
flag, but do not wake the guest: ``Guest.send`` does that for a magic packet, in the card's place.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import select
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.powernap.lab.plugins.module_utils import image  # noqa: E402

MAC = "52:54:00:00:00:01"
ADDRESS = "192.0.2.2"
FIRST_SLOT = 17
BOOT_SECONDS = 600
COMMAND_SECONDS = 180
POWER_EVENTS = ("SUSPEND", "WAKEUP", "SHUTDOWN", "RESET", "POWERDOWN")
#: On a busy host a boot may take minutes.
PATIENT = "systemd.default_timeout_start_sec=300 systemd.default_device_timeout_sec=300"
#: No hypervisor in CPUID and a maker's name in DMI: systemd-detect-virt then says "none", as on hardware.
DISGUISE = ["-cpu", "max,-hypervisor"]
for kind, maker in ((1, "manufacturer=Dell Inc."), (2, "manufacturer=Dell Inc."), (3, "manufacturer=Dell Inc.")):
    DISGUISE += ["-smbios", f"type={kind},{maker}"]


def mac(number: int) -> str:
    """Return the address of one of the cards beside the first."""
    return f"52:54:00:00:01:{number:02x}"


def disk(label: str, folder: Path, file: Path, size: str) -> None:
    """Make an ext4 image of a folder."""
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-L", label, "-d", folder, file, size]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def built() -> Path:
    """Return the folder of the guest's disk, kernel and initrd, built once for each version of its recipe."""
    recipe = b"".join((HERE / name).read_bytes() for name in ("packages", "customise"))
    folder = image.cache() / f"physical-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    image.cache().mkdir(parents=True, exist_ok=True)
    for old in image.cache().glob("physical-*"):
        shutil.rmtree(old)
    partial = folder.with_name("partial-physical")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        image.debootstrap(HERE, partial / "tree", image.cache() / "physical.log", {"INITRD": "No"})
        for name in ("vmlinuz", "initrd.img"):
            (found,) = (partial / "tree" / "boot").glob(f"{name}-*")
            shutil.copyfile(found, partial / name)
        disk("root", partial / "tree", partial / "root.img", "2G")
        shutil.rmtree(partial / "tree")
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


class Lines:
    """JSON lines over a unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        limit = time.monotonic() + seconds
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.05)
        self._rest = b""

    def send(self, content: dict) -> None:
        self._socket.sendall(json.dumps(content).encode() + b"\n")

    def receive(self, seconds: float) -> dict:
        """Return the next line. Raises TimeoutError."""
        limit = time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError(f"nothing came within {seconds:g} s")
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the guest's QEMU has ended")
            self._rest += more
        line, self._rest = self._rest.split(b"\n", 1)
        return json.loads(line)

    def close(self) -> None:
        self._socket.close()


class Guest:
    """One running guest. ``folder``: for its sockets and logs; ``carried``: what it finds below /carried; ``more``: how
    many network cards it has beside the first, each alone on its network, in the PCI slots from FIRST_SLOT on.
    """

    def __init__(self, folder: Path, carried: Path, more: int = 0) -> None:
        self._folder = folder
        self._more = more
        self._events: list[str] = []
        shutil.copyfile(HERE / "executor.py", carried / "executor.py")
        disk("carried", carried, folder / "carried.img", "64M")
        self._lan = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._lan.bind(str(folder / "lan"))
        self._lan.setblocking(False)
        self._process = subprocess.Popen(
            self._command(built()), stdin=subprocess.DEVNULL, stderr=(folder / "qemu").open("w")
        )
        self._qmp = Lines(folder / "qmp", 20)
        self._qmp.receive(20)
        self.qmp("qmp_capabilities")
        self._executor = Lines(folder / "executor", 20)

    def _command(self, built: Path) -> list[str]:
        here = self._folder
        lan = f"dgram,id=lan,local.type=unix,local.path={here}/card,remote.type=unix,remote.path={here}/lan"
        return [
            "qemu-system-x86_64",
            *("-name", "physical", "-machine", "pc", "-accel", "tcg,thread=multi,tb-size=128", *DISGUISE),
            *(
                "-smp",
                "1",
                "-m",
                "512",
                "-nodefaults",
                "-display",
                "none",
                "-action",
                "shutdown=pause",
                "-rtc",
                "base=utc",
            ),
            *("-kernel", str(built / "vmlinuz"), "-initrd", str(built / "initrd.img")),
            *("-append", f"root=LABEL=root rw console=ttyS0 quiet loglevel=4 mitigations=off tsc=unstable {PATIENT}"),
            *("-drive", f"file={built / 'root.img'},if=virtio,format=raw,snapshot=on"),
            *("-drive", f"file={self._folder / 'carried.img'},if=virtio,format=raw"),
            *(
                "-netdev",
                lan,
            ),
            *("-device", f"i82559c,netdev=lan,mac={MAC}", "-device", "virtio-rng-pci"),
            *self._more_cards(),
            *("-serial", f"file:{self._folder / 'console'}"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=executor,name=executor"),
            *("-chardev", f"socket,id=executor,path={self._folder / 'executor'},server=on,wait=off"),
            *("-qmp", f"unix:{self._folder / 'qmp'},server=on,wait=off"),
        ]

    def _more_cards(self) -> list[str]:
        words = []
        for number in range(1, self._more + 1):
            slot = FIRST_SLOT + number - 1
            words += ["-netdev", f"hubport,id=alone{number},hubid={number}"]
            words += ["-device", f"i82559c,netdev=alone{number},mac={mac(number)},addr={slot:#x}"]
        return words

    def reboot(self) -> None:
        """Boot it anew; its disk stays."""
        self.run(["systemctl", "--no-block", "reboot"])
        self.event("RESET", BOOT_SECONDS)
        self.ready()

    def ready(self) -> None:
        """Wait until the guest has booted."""
        assert self._executor.receive(BOOT_SECONDS) == {"ready": True}
        self.run(["systemctl", "is-system-running", "--wait"], seconds=BOOT_SECONDS, check=False)

    def run(self, command: list[str], *, seconds: float = COMMAND_SECONDS, text: str = "", check: bool = True) -> str:
        """Run a command as root in the guest; return what it printed."""
        self.order(command, seconds=seconds, text=text)
        return self.answer(command, seconds, check)

    def order(self, command: list[str], *, seconds: float = COMMAND_SECONDS, text: str = "") -> None:
        """Begin a command, for ``answer`` to collect."""
        self._executor.send({"command": command, "input": text, "seconds": seconds})

    def answer(self, command: list[str], seconds: float = COMMAND_SECONDS, check: bool = True) -> str:
        done = self._executor.receive(seconds + 30)
        assert done["status"] == 0 or not check, f"{command}: status {done['status']}: {done['output']}"
        return str(done["output"])

    def qmp(self, command: str, **arguments: object) -> object:
        """Order QEMU. Events that come meanwhile are kept for ``event``."""
        self._qmp.send({"execute": command, "arguments": arguments})
        while True:
            said = self._qmp.receive(30)
            if "event" in said:
                self._events.append(said["event"])
                continue
            assert "error" not in said, said
            return said["return"]

    def event(self, name: str, seconds: float) -> None:
        """Wait for a power event of the machine, such as SUSPEND. Raises TimeoutError."""
        limit = time.monotonic() + seconds
        while name not in self._events:
            said = self._qmp.receive(max(0.0, limit - time.monotonic()))
            if "event" in said:
                self._events.append(said["event"])
        self._events.remove(name)

    def quiet(self, seconds: float) -> list[str]:
        """Return the power events of the next seconds."""
        with contextlib.suppress(TimeoutError):
            self.event("no such event", seconds)
        return [event for event in self._events if event in POWER_EVENTS]

    def forget(self) -> None:
        """Forget the events so far."""
        self.quiet(0)
        self._events.clear()

    def key(self, code: str) -> None:
        """Press a key of the guest's keyboard."""
        self.qmp("send-key", keys=[{"type": "qcode", "data": code}])

    def send(self, frame: bytes) -> None:
        """Send a frame to the guest's card; a magic packet for it wakes a guest that is asleep."""
        if self.state() == "suspended":
            if b"\xff" * 6 + bytes.fromhex(MAC.replace(":", "")) * 16 in frame:
                self.qmp("system_wakeup")
            return
        self.pass_on(frame)

    def pass_on(self, frame: bytes) -> None:
        """Send a frame to the guest's card as it is; lost where that does not take it."""
        with contextlib.suppress(BlockingIOError):
            self._lan.sendto(frame, str(self._folder / "card"))

    def heard(self, seconds: float = 0) -> list[bytes]:
        """Return the frames that the guest has sent since the last call, waiting for a first one."""
        frames = []
        select.select([self._lan], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while True:
                frames.append(self._lan.recv(65536))
        return frames

    def state(self) -> str:
        """Return QEMU's word for it: running, suspended, shutdown."""
        status = self.qmp("query-status")
        assert isinstance(status, dict)
        return str(status["status"])

    def console(self) -> str:
        return (self._folder / "console").read_text(errors="replace")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for closing in (self._qmp, self._executor, self._lan):
            closing.close()
