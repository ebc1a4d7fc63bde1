#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""nftgap.py READY SECONDS: for how long `table inet pccbpf` is missing, each time that it goes within SECONDS: a
line of milliseconds each, as the kernel tells of its end and of the new one."""
import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
NFNLGRP_NFTABLES = 7
NEWTABLE, DELTABLE = 0xA00, 0xA02  # NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_*
NAME = b"pccbpf\0"


def tables(data):
    """The types of the messages that are about our table."""
    while len(data) >= 16:
        size, kind = struct.unpack_from("=IH", data)
        if kind in (NEWTABLE, DELTABLE) and NAME in data[:size]:
            yield kind
        data = data[(max(size, 16) + 3) & ~3:]


def main():
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    open(sys.argv[1], "w").close()
    end = time.monotonic() + float(sys.argv[2])
    gone = None
    while (left := end - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data = sock.recv(1 << 20)
        except socket.timeout:
            break
        now = time.monotonic()
        for kind in tables(data):
            if kind == DELTABLE:
                gone = now
            elif gone:
                print(f"{(now - gone) * 1000:.1f}", flush=True)
                gone = None


main()
