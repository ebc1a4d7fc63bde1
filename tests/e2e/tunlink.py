#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""tunlink.py NETNS DEV NETNS DEV: two tun devices, joined: what one is sent the other receives.

Makes the devices and carries packets until it is ended. Prints "ready" when both exist.
"""
import ctypes
import fcntl
import os
import select
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000


def tun(netns, name):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{netns}", "rb") as ns:
        if libc.setns(ns.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {netns}")
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def main():
    a = tun(sys.argv[1], sys.argv[2])
    b = tun(sys.argv[3], sys.argv[4])
    other = {a: b, b: a}
    print("ready", flush=True)
    while True:
        for fd in select.select([a, b], [], [])[0]:
            try:
                os.write(other[fd], os.read(fd, 65536))
            except OSError:
                pass  # the other end is down: lost, as on a line


main()
