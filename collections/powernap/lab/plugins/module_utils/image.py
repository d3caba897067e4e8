# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image: a Debian tree in the cache, named after its recipe, built once and read by every lab."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess

from .errors import LabError

SHIFT = 0x50570000
"""Root of the lab's user namespace is this uid and gid outside; 65,536 follow it. In the range that systemd leaves to
containers (https://systemd.io/UIDS-GIDS), and so nobody on the machine."""
RANGE = 65536
SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
RECIPE = pathlib.Path(__file__).resolve().parents[2] / "files" / "image"


def cache() -> pathlib.Path:
    return pathlib.Path(os.environ.get("POWERNAP_LAB_CACHE") or "/var/cache/powernap-lab")


def path() -> pathlib.Path:
    """Where the image of today's recipe is, or will be."""
    recipe = hashlib.sha256(b"%d %d %s" % (SHIFT, RANGE, SUITE.encode()))
    for name in ("packages", "customise.sh"):
        recipe.update((RECIPE / name).read_bytes())
    return cache() / ("base-" + recipe.hexdigest()[:12])


def ensure(say) -> pathlib.Path:
    """Build the image where it is missing; say(text) is called as the work goes on. Returns its path."""
    image = path()
    if image.is_dir():
        return image
    for program, package in (("mmdebstrap", "mmdebstrap"), (KEYRING, "debian-archive-keyring")):
        if not (shutil.which(program) or pathlib.Path(program).exists()):
            raise LabError(f"the base image needs {program}: run 'apt-get install {package}'.")
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.is_dir():
            _remove_old()
            partial = image.with_name("partial")
            if partial.exists():
                shutil.rmtree(partial)
            say(f"building the base image {image} (once, about half a minute)")
            debootstrap(RECIPE, partial, cache() / "build.log", say=say)
            _shift(partial)
            partial.chmod(0o755)
            partial.rename(image)
    return image


def use(image: pathlib.Path) -> int:
    """A descriptor that keeps the image from being removed while it is open."""
    fd = os.open(image, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def mirror() -> str:
    """The machine's own Debian mirror where it has one: it is near, and a firewall may know no other."""
    if "ID=debian" not in _read("/etc/os-release").split():
        return MIRROR
    sources = [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if source.suffix in (".list", ".sources"):
            lines = [line for line in _read(source).splitlines() if not line.startswith("#")]
            found = re.search(r"https?://\S+/debian/?(?=\s|$)", "\n".join(lines))
            if found:
                return found.group()
    return MIRROR


def _read(where) -> str:
    try:
        return pathlib.Path(where).read_text()
    except OSError:
        return ""


def _proxies() -> list:
    """apt's own proxy settings: mmdebstrap does not read the machine's."""
    if not shutil.which("apt-config"):
        return []
    dump = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return re.findall(r'^(Acquire::https?::Proxy\S* ".+");$', dump, re.MULTILINE)


def debootstrap(recipe: pathlib.Path, target: pathlib.Path, log: pathlib.Path, environment=None, say=lambda text: None):
    """Build a Debian tree from recipe/packages and the hook beside it, called customise or customise.sh."""
    (hook,) = recipe.glob("customise*")
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        "--include=" + ",".join((recipe / "packages").read_text().split()),
        "--keyring=" + KEYRING,
        '--aptopt=Acquire::Languages "none"',
        "--aptopt=Acquire::Retries 3",
        *("--aptopt=" + option for option in _proxies()),
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")),
        f'--customize-hook=sh {shlex.quote(str(hook))} "$1"',
        SUITE,
        str(target),
        mirror(),
    ]
    with (
        log.open("w") as out,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        for line in process.stderr:
            out.write(line)
            if line.startswith("I: "):
                say("  " + line[3:].strip())
    if process.returncode:
        errors = [line for line in log.read_text().splitlines() if line.startswith("E: ") or "error" in line.lower()]
        raise LabError(
            f"{target} could not be built from {mirror()}: {errors[-1] if errors else 'no reason given'} "
            f"(see {log}): check the network, and free disk space."
        )


def _shift(tree: pathlib.Path) -> None:
    """Give the tree to the lab's user namespace. chown(2) clears the set-uid bits, hence the chmod."""
    for folder, folders, names in os.walk(tree):
        for entry in (folder, *(f"{folder}/{name}" for name in names + folders)):
            status = os.lstat(entry)
            if status.st_uid < RANGE:
                os.lchown(entry, SHIFT + status.st_uid, SHIFT + status.st_gid)
                if not stat.S_ISLNK(status.st_mode) and status.st_mode & (stat.S_ISUID | stat.S_ISGID):
                    pathlib.Path(entry).chmod(stat.S_IMODE(status.st_mode))


def _remove_old() -> None:
    """Remove the images of older recipes that no lab runs on."""
    for old in cache().glob("base-*"):
        fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old)
        finally:
            os.close(fd)
