# SPDX-License-Identifier: GPL-3.0-or-later
"""The container monitor: the kernel's control groups, named as the engines do; the engines' files are written here."""

from __future__ import annotations

import asyncio
import json

import pytest
from attached import attached, is_called
from real_cgroups import groups

from powernap.machine import clocks
from powernap.nap.monitors.container import ContainerMonitor

ID = "0123456789ab" + "c" * 52


@pytest.fixture
def tree(tmp_path):
    with groups(tmp_path) as made:
        yield made


def look(tree, **values):
    return ContainerMonitor("work", values, tree.root).look(clocks.now())


@pytest.mark.parametrize(
    ("path", "engine"),
    [
        (f"system.slice/docker-{ID}.scope", "docker 0123456789ab"),
        (f"docker/{ID}", "docker 0123456789ab"),
        (f"machine.slice/libpod-{ID}.scope", "podman 0123456789ab"),
        (f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", "podman 0123456789ab"),
        (f"libpod_parent/libpod-{ID}", "podman 0123456789ab"),
        (
            f"kubepods.slice/kubepods-besteffort.slice/kubepods-x.slice/cri-containerd-{ID}.scope",
            "kubernetes 0123456789ab",
        ),
        ("lxc.payload.web", "lxc web"),
        ("machine.slice/systemd-nspawn@web.service", "nspawn web"),
        ("machine.slice/machine-my\\x2dweb.scope", "nspawn my-web"),
    ],
)
def test_a_container_of_each_engine_is_seen(tree, path, engine):
    tree.run(path)
    reading = look(tree)
    assert reading.active_now and reading.detail == f"{engine} runs"


@pytest.mark.parametrize(
    "path",
    [
        f"machine.slice/libpod-conmon-{ID}.scope",
        "machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
        "system.slice/docker.service",
        "lxc.monitor.web",
    ],
)
def test_what_only_looks_like_one_is_not(tree, path):
    tree.run(path)
    assert not look(tree).active_now


def test_names_come_from_the_engines_files(tree):
    folder = tree.root / f"var/lib/docker/containers/{ID}"
    folder.mkdir(parents=True)
    (folder / "config.v2.json").write_text(json.dumps({"Name": "/registry"}))
    tree.run(f"system.slice/docker-{ID}.scope")
    assert look(tree).detail == "docker registry runs"
    assert not look(tree, ignore=("reg*",)).active_now
    assert look(tree, names=("registry",)).active_now
    assert not look(tree, names=("web",)).active_now
    assert not look(tree, engines=("podman",)).active_now


def test_podmans_names_too(tree):
    file = tree.root / "var/lib/containers/storage/overlay-containers/containers.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps([{"id": ID, "names": ["build-7"]}]))
    tree.run(f"machine.slice/libpod-{ID}.scope")
    assert look(tree, names=("build-*",)).detail == "podman build-7 runs"


def test_the_end_of_the_container_calls_and_a_new_one_calls_an_armed_monitor(tree):
    sleeper = tree.run(f"machine.slice/libpod-{ID}.scope")
    monitor = ContainerMonitor("work", {}, tree.root)

    async def run():
        async with attached(monitor) as called:
            assert monitor.look(clocks.now()).calls
            tree.end(sleeper)
            await is_called(called)
            called.clear()
            monitor.arm()
            assert monitor.look(clocks.now()).calls and not called.is_set()
            tree.run(f"machine.slice/libpod-{ID[::-1]}.scope")
            await is_called(called)

    asyncio.run(run())
