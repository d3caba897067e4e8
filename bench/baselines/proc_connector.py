# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that hears of every process by the kernel's proc connector, as an event-based one would (connector.rst).

Prints "ready". Only in the first network namespace; needs CAP_NET_ADMIN.
"""

import os
import socket
import struct

NETLINK_CONNECTOR, CN_IDX_PROC, CN_VAL_PROC, PROC_CN_MCAST_LISTEN = 11, 1, 1, 1
NLMSG_DONE = 3

sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
sock.bind((0, CN_IDX_PROC))
order = struct.pack("=IIIIHHI", CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, 0, PROC_CN_MCAST_LISTEN)
sock.send(struct.pack("=IHHII", 16 + len(order), NLMSG_DONE, 0, 0, os.getpid()) + order)
print("ready", flush=True)
events = 0
while True:
    try:
        sock.recv(4096)
    except OSError:  # ENOBUFS: it lost some
        continue
    events += 1
