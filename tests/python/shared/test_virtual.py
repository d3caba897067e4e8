# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess

import pytest

from powernap.shared.virtual import Virtualization, detect, read


def tree(root, files):
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("files", "kind", "technology"),
    [
        ({}, "none", "none"),
        ({"proc/cpuinfo": "flags\t\t: fpu vme sse2\n"}, "none", "none"),
        ({"sys/class/dmi/id/sys_vendor": "Dell Inc.\n"}, "none", "none"),
        ({"sys/class/dmi/id/sys_vendor": "QEMU\n"}, "vm", "qemu"),
        ({"sys/class/dmi/id/product_name": "VMware Virtual Platform\n"}, "vm", "vmware"),
        ({"sys/class/dmi/id/sys_vendor": "Amazon EC2\n"}, "vm", "amazon"),
        ({"sys/hypervisor/type": "xen\n"}, "vm", "xen"),
        ({"proc/cpuinfo": "flags\t\t: fpu hypervisor sse2\n"}, "vm", "unknown"),
        ({"run/systemd/container": "lxc\n"}, "container", "lxc"),
        ({".dockerenv": ""}, "container", "docker"),
        ({"run/.containerenv": ""}, "container", "podman"),
        ({"proc/1/environ": "PATH=/bin\0container=systemd-nspawn\0"}, "container", "systemd-nspawn"),
        # a container in a virtual machine is a container first
        ({"run/systemd/container": "docker", "proc/cpuinfo": "flags : hypervisor"}, "container", "docker"),
    ],
)
def test_own_reader(tmp_path, files, kind, technology):
    found = read(tree(tmp_path, files))
    assert (found.kind, found.technology) == (kind, technology)


def fake_detect_virt(container, vm):
    """A systemd-detect-virt that cannot be made to say this on the machine of the test."""

    def run(command, **_options):
        answer = container if "--container" in command else vm
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(command, int(answer == "none"), answer + "\n")

    return run


@pytest.mark.parametrize(
    ("container", "vm", "kind"), [("none", "none", "none"), ("none", "kvm", "vm"), ("lxc", "kvm", "container")]
)
def test_systemd_is_asked_both_questions(container, vm, kind):
    assert detect(run=fake_detect_virt(container, vm)).kind == kind


@pytest.mark.parametrize("broken", [FileNotFoundError(), subprocess.TimeoutExpired("systemd-detect-virt", 10)])
def test_without_systemd_the_own_reader_answers(tmp_path, broken):
    root = tree(tmp_path, {"sys/class/dmi/id/sys_vendor": "QEMU"})
    found = detect(root, fake_detect_virt(broken, broken))
    assert found == Virtualization("vm", "qemu", "/sys/class/dmi/id/sys_vendor")


def test_the_reason_is_for_people():
    assert Virtualization("vm", "kvm", "systemd-detect-virt").reason == "a virtual guest: kvm (systemd-detect-virt)"
