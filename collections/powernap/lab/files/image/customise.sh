#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What every host of the lab shares, done once to the tree $1 when the image is built.
set -eu
root=$1
units=$root/etc/systemd/system

# a lab host has no devices, no clock and no way out, and these would wait for them
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-sysctl.service systemd-modules-load.service systemd-timesyncd.service systemd-resolved.service \
    systemd-networkd-wait-online.service systemd-random-seed.service systemd-remount-fs.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-tmpfiles-clean.timer motd-news.timer getty@tty1.service console-getty.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount \
    dev-hugepages.mount dev-mqueue.mount; do
    ln -sfn /dev/null "$units/$unit"
done
# the topology says which host serves what
rm -f "$units"/multi-user.target.wants/nginx.service "$units"/multi-user.target.wants/rsync.service
ln -sfn /lib/systemd/system/multi-user.target "$units/default.target"

mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d" "$root/etc/ssh/sshd_config.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' >"$root/etc/systemd/journald.conf.d/lab.conf"
printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >"$root/etc/systemd/system.conf.d/lab.conf"
printf 'UseDNS no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n' >"$root/etc/ssh/sshd_config.d/lab.conf"

rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/resolv.conf"
: >"$root/etc/fstab"
: >"$root/etc/resolv.conf"
: >"$root/etc/machine-id"
install -d -m 700 "$root/root/.ssh"
