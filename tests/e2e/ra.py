#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""ra.py IF PREFIX: one IPv6 router advertisement (RFC 4861) on IF, with a /64 for addresses (RFC 4862)."""
import socket
import struct
import sys

interface, prefix = sys.argv[1:]
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
index = socket.if_nametoindex(interface)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
option = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 1800, 0) + socket.inet_pton(socket.AF_INET6, prefix)
s.sendto(advert + option, ("ff02::1", 0, 0, index))
