#!/usr/bin/python

# Copyright (c) 2026, The PowerNap authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: powernap_facts
short_description: Find out whether and how a machine can nap and be woken
version_added: 0.1.0
author:
  - The PowerNap authors (@powernap)
description:
  - Returns as facts what a power profile depends on, namely what the machine is, by which NICs it can be woken, how its
    kernel sleeps, what it is made of (CPUs, batteries, lid, screens, sound, disks), what it is made for (guests,
    containers, batch jobs, shares, a desktop), which program listens on which port, and what will run by itself.
  - Changes nothing, needs no facts gathered before, and wakes no disk.
  - What cannot be read is left out and named in RV(ansible_facts.powernap.unreadable); it never makes the module fail.
  - Root sees more, namely other users' crontabs and whose a listening socket is.
extends_documentation_fragment:
  - powernap.powernap.attributes
  - powernap.powernap.attributes.actiongroup
  - powernap.powernap.attributes.facts
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
  platform:
    support: full
    platforms: linux
options:
  gather_subset:
    description:
      - Which facts to gather, V(all) or any of the others. Each is returned whole or not at all.
      - Facts that an earlier run has set are replaced, those of other subsets, too.
      - V(hardware) is C(cpus), C(battery), C(batteries), C(on_battery), C(lid), C(displays), C(audio) and C(disks).
      - V(interfaces) is C(interfaces).
      - V(ports) is C(tcp_ports), C(udp_ports) and C(listeners).
      - V(programs) is C(desktop), C(hypervisors), C(containers), C(schedulers) and C(shares).
      - V(sleep) is C(sleep_states), C(mem_sleep) and C(hibernation).
      - V(timers) is C(timers).
      - V(virtualization) is C(virtualization).
    type: list
    elements: str
    choices: [all, hardware, interfaces, ports, programs, sleep, timers, virtualization]
    default: [all]
seealso:
  - module: powernap.powernap.powernap_info
  - module: powernap.powernap.powerwake_client
"""

EXAMPLES = r"""
- name: Find out what the machine is
  powernap.powernap.powernap_facts:

- name: Name the machines that cannot be woken
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} has no NIC that is armed for Wake-on-LAN"
  when: not ansible_facts.powernap.interfaces | selectattr('wake_on_lan.armed', 'true')

- name: Say which program serves port 443
  ansible.builtin.debug:
    msg: "{{ ansible_facts.powernap.listeners | selectattr('port', 'eq', 443) | map(attribute='processes') | flatten }}"

- name: Say what would wake the machine, or wait for it, within the next hour
  ansible.builtin.debug:
    msg: "{{ ansible_facts.powernap.timers | selectattr('in_seconds', 'lt', 3600) | map(attribute='name') }}"

- name: Find out only what is cheap and never changes
  powernap.powernap.powernap_facts:
    gather_subset: [virtualization, hardware]
"""

RETURN = r"""
ansible_facts:
  description: The facts of this module.
  type: dict
  returned: always
  contains:
    powernap:
      description: All of them, under one name.
      type: dict
      returned: always
      contains:
        virtualization:
          description: What the machine is, and who says so.
          type: dict
          contains:
            kind:
              description: V(none) for a physical machine, V(vm) or V(container).
              type: str
            technology:
              description: Which kind of virtual guest or container it is, V(none) for a physical machine.
              type: str
            source:
              description: The program or file that said so.
              type: str
            reason:
              description: The same as one sentence.
              type: str
            evidence:
              description: What each program and file says; the first that names a guest or a container decides.
              type: list
              elements: str
          sample:
            kind: container
            technology: docker
            source: systemd-detect-virt
            reason: "a container: docker (systemd-detect-virt)"
            evidence:
              - "systemd-detect-virt --container: docker"
              - "systemd-detect-virt --vm: kvm"
              - "/.dockerenv: docker"
              - "the hypervisor flag in /proc/cpuinfo: unknown"
        interfaces:
          description: The Ethernet interfaces, without the loopback interface.
          type: list
          elements: dict
          contains:
            name:
              description: The interface's name.
              type: str
            kind:
              description:
                - V(ethernet) for a NIC, else what the kernel calls the interface, such as V(bond) or V(veth).
              type: str
            driver:
              description: The kernel's driver of the device, V(null) for an interface without a device.
              type: str
            up:
              description: Whether the interface is up.
              type: bool
            link:
              description: Whether it has a link.
              type: bool
            mac:
              description: Its MAC address.
              type: str
            permanent_mac:
              description:
                - The MAC address that the NIC was made with, which it may have exchanged for that of a bond. A magic
                  packet must carry this one.
              type: str
            addresses:
              description: Its IP addresses with the length of the prefix, without link-local and temporary ones.
              type: list
              elements: str
            wake_on_lan:
              description:
                - Whether its NIC wakes the machine on a magic packet.
                - A value is V(null) where it could not be found out.
              type: dict
              contains:
                supported:
                  description: Whether it can.
                  type: bool
                armed:
                  description: Whether it is set to.
                  type: bool
                device:
                  description: Whether the kernel lets the device wake the machine, C(power/wakeup) in sysfs.
                  type: bool
          sample:
            - name: eth0
              kind: ethernet
              driver: e1000e
              up: true
              link: true
              mac: "02:4c:00:00:00:03"
              permanent_mac: "02:4c:00:00:00:03"
              addresses: [198.18.0.3/16, "fd4c::3/64"]
              wake_on_lan: {supported: true, armed: true, device: true}
        sleep_states:
          description: The sleep states of the kernel, as C(/sys/power/state) lists them.
          type: list
          elements: str
          sample: [freeze, mem, disk]
        mem_sleep:
          description: What the kernel does for C(mem), as C(/sys/power/mem_sleep) says.
          type: dict
          contains:
            modes:
              description: What it can do; V(deep) is suspend to RAM, V(s2idle) a sleep in which only the devices rest.
              type: list
              elements: str
            chosen:
              description: What it does; V(null) if it cannot sleep so.
              type: str
          sample: {modes: [s2idle, deep], chosen: deep}
        hibernation:
          description: What the kernel does after it has written its image, as C(/sys/power/disk) says.
          type: dict
          contains:
            modes:
              description: What it can do; none if it cannot hibernate.
              type: list
              elements: str
            chosen:
              description: What it does; V(null) if it cannot hibernate.
              type: str
          sample: {modes: [platform, shutdown, reboot], chosen: platform}
        cpus:
          description: The number of CPUs that are online.
          type: int
          sample: 4
        battery:
          description: Whether the machine can run from a battery.
          type: bool
          sample: true
        batteries:
          description: The batteries that feed the machine.
          type: list
          elements: dict
          contains:
            name:
              description: The name below C(/sys/class/power_supply).
              type: str
            status:
              description: V(Charging), V(Discharging), V(Full) or V(Not charging); V(null) if it does not say.
              type: str
            percent:
              description: How full it is; V(null) if it does not say.
              type: int
          sample:
            - {name: BAT0, status: Full, percent: 100}
        on_battery:
          description: Whether it runs from a battery now; V(null) if it has none.
          type: bool
          sample: false
        lid:
          description: Whether the machine has a lid.
          type: bool
          sample: false
        displays:
          description: The connectors for screens, whether or not something is connected.
          type: list
          elements: str
          sample: [eDP-1, HDMI-A-1]
        audio:
          description: Whether there is a sound device that plays.
          type: bool
          sample: true
        disks:
          description: The drives, without what is made of them and without memory that looks like one.
          type: list
          elements: dict
          contains:
            name:
              description: The name below C(/sys/block).
              type: str
            rotational:
              description: Whether it turns, and so has a motor to stop.
              type: bool
          sample:
            - {name: sda, rotational: true}
        desktop:
          description: Whether a display manager is set up.
          type: bool
          sample: false
        hypervisors:
          description:
            - What runs virtual guests here.
            - Of V(incus), V(libvirt), V(lxd), V(proxmox), V(xen) those that are installed.
          type: list
          elements: str
          sample: [libvirt]
        containers:
          description:
            - What runs containers here.
            - Of V(containerd), V(crio), V(docker), V(lxc), V(podman) those that are installed.
          type: list
          elements: str
          sample: [containerd, docker]
        schedulers:
          description:
            - Whose batch jobs run here.
            - Of V(gridengine), V(htcondor), V(pbs), V(slurm) those that are installed.
          type: list
          elements: str
          sample: [slurm]
        shares:
          description: Of V(nfs) and V(smb) those that the machine is set up to serve.
          type: list
          elements: str
          sample: [nfs]
        tcp_ports:
          description: The TCP ports on which somebody else can reach a program of this machine.
          type: list
          elements: int
          sample: [22, 80]
        udp_ports:
          description: The UDP ports on which somebody else can reach a program of this machine.
          type: list
          elements: int
          sample: []
        listeners:
          description: Each port on which a program of this machine listens, those of the loopback interface, too.
          type: list
          elements: dict
          contains:
            protocol:
              description: V(tcp) or V(udp).
              type: str
            port:
              description: The port.
              type: int
            addresses:
              description: The addresses to which the sockets are bound, C(0.0.0.0) and C(::) for all.
              type: list
              elements: str
            reachable:
              description: Whether somebody else can reach it.
              type: bool
            processes:
              description: The names of the processes that listen; none if it is the kernel itself.
              type: list
              elements: str
            units:
              description: The units of systemd to which these processes belong.
              type: list
              elements: str
          sample:
            - protocol: tcp
              port: 22
              addresses: ["0.0.0.0", "::"]
              reachable: true
              processes: [sshd]
              units: [ssh.service]
        timers:
          description: What will run by itself, the next first.
          type: list
          elements: dict
          contains:
            kind:
              description: V(systemd), V(cron) or V(at).
              type: str
            name:
              description: The timer, the crontab and the command, or the number of the job.
              type: str
            next:
              description: When it runs next, in UTC.
              type: str
            in_seconds:
              description: The same, counted from now.
              type: int
            wakes:
              description: Whether systemd itself wakes the machine for it.
              type: bool
          sample:
            - kind: cron
              name: "/etc/cron.d/e2scrub_all: test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r"
              next: "2026-11-24T03:10:00Z"
              in_seconds: 72861
              wakes: false
        unreadable:
          description: What could not be found out, one sentence each.
          type: list
          elements: str
          sample: ["Wake-on-LAN of eth0: ethtool is not installed"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils.shared.machine import SUBSETS, Machine


def main():
    spec = {"gather_subset": {"type": "list", "elements": "str", "choices": ["all", *SUBSETS], "default": ["all"]}}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    wanted = module.params["gather_subset"]
    machine = Machine(run=lambda command: run(module, command))
    facts = machine.facts(SUBSETS if "all" in wanted else wanted)
    module.exit_json(changed=False, ansible_facts={"powernap": facts})


def run(module, command):
    """Return (status, output, errors) of a command; status 127 where there is no such program."""
    program = module.get_bin_path(command[0], opt_dirs=["/sbin", "/usr/sbin"])
    if program is None:
        return 127, "", f"{command[0]} is not installed"
    return module.run_command([program, *command[1:]], environ_update={"LC_ALL": "C.UTF-8"}, handle_exceptions=True)


if __name__ == "__main__":
    main()
