# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base images: a tree of each distribution in the cache, named after its recipe, built once, read by every lab."""

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
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .errors import LabError

SHIFT = 0x50570000
"""Root of the lab's user namespace is this uid and gid outside; 65,536 follow it. In the range that systemd leaves to
containers (https://systemd.io/UIDS-GIDS), and so nobody on the machine."""
RANGE = 65536
FILES = pathlib.Path(__file__).resolve().parents[2] / "files"
RECIPE = FILES / "image"
MIRRORS = {"debian": "http://deb.debian.org/debian", "ubuntu": "http://archive.ubuntu.com/ubuntu"}
KEYS = {
    "debian": pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    "ubuntu": FILES / "ubuntu-archive-2018.asc",  # from Debian 13's ubuntu-keyring; Debian 12 has no such package
}


@dataclass(frozen=True)
class Distribution:
    maker: str
    suites: tuple
    components: str = "main"
    packages: tuple = ()
    """What it needs beside the recipe's."""


DEFAULT = "debian-12"
DISTRIBUTIONS = {
    "debian-12": Distribution("debian", ("bookworm",)),
    "debian-13": Distribution("debian", ("trixie",)),
    "ubuntu-22.04": Distribution("ubuntu", ("jammy", "jammy-updates"), "main universe", ("python3-tomli",)),
    "ubuntu-24.04": Distribution("ubuntu", ("noble", "noble-updates"), "main universe"),
}
_HASTE = ("-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")


def cache() -> pathlib.Path:
    return pathlib.Path(os.environ.get("POWERNAP_LAB_CACHE") or "/var/cache/powernap-lab")


def path(distribution: str = DEFAULT) -> pathlib.Path:
    """Where the image of today's recipe is, or will be."""
    recipe = hashlib.sha256(f"{SHIFT} {RANGE} {DISTRIBUTIONS[distribution]}".encode())
    for name in ("packages", "customise.sh"):
        recipe.update((RECIPE / name).read_bytes())
    return cache() / f"base-{distribution}-{recipe.hexdigest()[:12]}"


def ensure(say, distributions=(DEFAULT,)) -> dict:
    """Build the images that are missing; say(text) is called as the work goes on. Returns the path of each."""
    images = {name: path(name) for name in distributions}
    if all(image.is_dir() for image in images.values()):
        return images
    for program, package in (("mmdebstrap", "mmdebstrap"), (KEYS["debian"], "debian-archive-keyring")):
        if not (shutil.which(program) or pathlib.Path(program).exists()):
            raise LabError(f"the base image needs {program}: run 'apt-get install {package}'.")
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_old()
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # one spends its time in one process at a time
            missing = [name for name, image in images.items() if not image.is_dir()]
            list(pool.map(_build, missing, [say] * len(missing)))
    return images


def _build(distribution: str, say) -> None:
    image, partial = path(distribution), cache() / f"partial-{distribution}"
    if partial.exists():
        shutil.rmtree(partial)
    say(f"building the base image {image} (once, about half a minute)")
    debootstrap(RECIPE, partial, cache() / f"{distribution}.log", say=say, distribution=distribution)
    _shift(partial)
    partial.chmod(0o755)
    partial.rename(image)


def use(image: pathlib.Path) -> int:
    """A descriptor that keeps the image from being removed while it is open."""
    fd = os.open(image, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def mirror(maker: str = "debian") -> str:
    """The machine's own mirror where it is of the same maker: it is near, and a firewall may know no other."""
    if f"ID={maker}" not in _read("/etc/os-release").split():
        return MIRRORS[maker]
    sources = [pathlib.Path("/etc/apt/sources.list"), *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if source.suffix in (".list", ".sources"):
            lines = [line for line in _read(source).splitlines() if not line.startswith("#")]
            found = re.search(rf"https?://\S+/{maker}/?(?=\s|$)", "\n".join(lines))
            if found:
                return found.group()
    return MIRRORS[maker]


def at_hand(distribution: str) -> bool:
    """Whether the image is built, or can be: a firewall may let through to the machine's own mirror only."""
    if path(distribution).is_dir():
        return True
    system = DISTRIBUTIONS[distribution]
    with tempfile.TemporaryDirectory() as folder:  # apt removes a target that it cannot fetch, were it /dev/null
        url = f"{mirror(system.maker)}/dists/{system.suites[0]}/InRelease"
        command = ["/usr/lib/apt/apt-helper", *_HASTE, "download-file", url, f"{folder}/InRelease"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


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


def debootstrap(
    recipe: pathlib.Path,
    target: pathlib.Path,
    log: pathlib.Path,
    environment=None,
    say=lambda text: None,
    distribution: str = DEFAULT,
):
    """Build a tree from recipe/packages and the hook beside it, called customise or customise.sh."""
    (hook,) = recipe.glob("customise*")
    system = DISTRIBUTIONS[distribution]
    source = mirror(system.maker)
    packages = [*(recipe / "packages").read_text().split(), *system.packages]
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        "--include=" + ",".join(packages),
        f"--keyring={KEYS[system.maker]}",
        '--aptopt=Acquire::Languages "none"',
        "--aptopt=Acquire::Retries 3",
        *("--aptopt=" + option for option in _proxies()),
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")),
        f'--customize-hook=sh {shlex.quote(str(hook))} "$1"',
        system.suites[0],
        str(target),
        *(f"deb {source} {suite} {system.components}" for suite in system.suites),
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
            f"{target} could not be built from {source}: {errors[-1] if errors else 'no reason given'} "
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
    for old in set(cache().glob("base-*")) - {path(name) for name in DISTRIBUTIONS}:
        fd = os.open(old, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(old)
        finally:
            os.close(fd)
