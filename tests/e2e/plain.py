#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""plain.py DEVICE MAC SRC SPORT DST DPORT COUNT: frames with a TCP segment (no SYN, FIN or RST) between these two, of
either family, as somebody on the link would write them who is neither. Their DSCP is 63, so that they are known again."""
import socket
import struct
import sys

device, mac, src, sport, dst, dport, count = sys.argv[1:]
family = socket.AF_INET6 if ":" in src else socket.AF_INET
addresses = socket.inet_pton(family, src) + socket.inet_pton(family, dst)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment():
    pseudo = addresses + struct.pack("!II", 20, socket.IPPROTO_TCP)
    head = struct.pack("!HHIIBBHHH", int(sport), int(dport), 1, 1, 5 << 4, 0x10, 1000, 0, 0)
    return head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]


def packet():
    if family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28 | 0xFC << 20, 20, socket.IPPROTO_TCP, 64) + addresses + segment()
    head = struct.pack("!BBHHHBBH", 0x45, 0xFC, 40, 0, 0, 64, socket.IPPROTO_TCP, 0) + addresses
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + segment()


ethertype = 0x86DD if family == socket.AF_INET6 else 0x0800
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind((device, 0))
frame = bytes.fromhex(mac.replace(":", "")) + bytes(6) + struct.pack("!H", ethertype) + packet()
for _ in range(int(count)):
    sock.send(frame)
