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
  - Returns as facts what a power profile depends on, namely what the machine is, by which NICs it can be woken, which
    sleep states its kernel offers, what it is made of (CPUs, battery, lid, screens, sound, disks), what it is made for
    (guests, containers, batch jobs, shares, a desktop), and on which ports it listens.
  - Changes nothing, and needs no facts gathered before.
  - What cannot be read is left out and named in RV(ansible_facts.powernap.unreadable); it never makes the module fail.
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
options: {}
seealso:
  - module: powernap.powernap.powerwake_client
"""

EXAMPLES = r"""
- name: Find out what the machine is
  powernap.powernap.powernap_facts:

- name: Name the machines that cannot be woken
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} has no NIC that is armed for Wake-on-LAN"
  when: not ansible_facts.powernap.interfaces | selectattr('wake_on_lan.armed', 'true')
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
          sample:
            kind: vm
            technology: kvm
            source: systemd-detect-virt
            reason: "a virtual guest: kvm (systemd-detect-virt)"
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
            up:
              description: Whether the interface is up.
              type: bool
            mac:
              description: Its MAC address.
              type: str
            addresses:
              description: Its IP addresses with the length of the prefix, without link-local and temporary ones.
              type: list
              elements: str
            wake_on_lan:
              description:
                - Whether its NIC wakes the machine on a magic packet.
                - Both values are V(null) where C(ethtool) could not say.
              type: dict
              contains:
                supported:
                  description: Whether it can.
                  type: bool
                armed:
                  description: Whether it is set to.
                  type: bool
          sample:
            - name: eth0
              kind: ethernet
              up: true
              mac: "02:4c:00:00:00:03"
              addresses: [198.18.0.3/16, "fd4c::3/64"]
              wake_on_lan: {supported: true, armed: true}
        sleep_states:
          description: The sleep states of the kernel, as C(/sys/power/state) lists them.
          type: list
          elements: str
          sample: [freeze, mem, disk]
        cpus:
          description: The number of CPUs that are online.
          type: int
          sample: 4
        battery:
          description: Whether the machine can run from a battery.
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
        unreadable:
          description: What could not be found out, one sentence each.
          type: list
          elements: str
          sample: ["Wake-on-LAN of eth0: ethtool is not installed"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.powernap.powernap.plugins.module_utils.shared.machine import Machine


def main():
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    machine = Machine(run=lambda command: run(module, command))
    module.exit_json(changed=False, ansible_facts={"powernap": machine.facts()})


def run(module, command):
    """Return (status, output, errors) of a command; status 127 where there is no such program."""
    program = module.get_bin_path(command[0], opt_dirs=["/sbin", "/usr/sbin"])
    if program is None:
        return 127, "", f"{command[0]} is not installed"
    return module.run_command([program, *command[1:]], environ_update={"LC_ALL": "C.UTF-8"}, handle_exceptions=True)


if __name__ == "__main__":
    main()
