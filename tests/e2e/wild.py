#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# wild.py PORT BOTH READY: services as simple ones are, bound to a port and to no address, that answer with plain
# sendto(). On PORT a socket for each family, on BOTH one for both. Answers as those of labtool do: with the address
# and the port that they saw. READY is written when they are there. Ends with its lab.
import select
import socket
import sys


def bound(family, port, only=None):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if only is not None:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    s.bind(("", port))
    return s


port, both = map(int, sys.argv[1:3])
sockets = [bound(socket.AF_INET, port), bound(socket.AF_INET6, port, 1), bound(socket.AF_INET6, both, 0)]
with open(sys.argv[3], "w") as ready:
    ready.write("ready\n")
while True:
    for s in select.select(sockets, [], [])[0]:
        data, peer = s.recvfrom(65536)
        s.sendto(b"%s %d %s" % (peer[0].encode(), peer[1], data), peer)
