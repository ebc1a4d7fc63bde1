#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""slowlink.py READY IF DELAY_MS: forwards the IPv4 packets that arrive on IF by itself, DELAY_MS later, in place of
the kernel, which is to drop them. What netem does where the kernel has it. Packets must not be larger than the MTU."""
import heapq
import select
import socket
import struct
import sys
import time

ETH_P_IP = 0x0800


def main():
    ready, interface, delay = sys.argv[1], sys.argv[2], int(sys.argv[3]) / 1000
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    tap.bind((interface, ETH_P_IP))
    out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    own = {socket.inet_aton(a) for a in sys.argv[4:]}
    waiting, n = [], 0
    with open(ready, "w", encoding="ascii") as f:
        f.write("ready\n")
    while True:
        wait = waiting[0][0] - time.monotonic() if waiting else 1.0
        if select.select([tap], [], [], max(0.0, wait))[0]:
            packet, address = tap.recvfrom(65536)
            if address[2] == socket.PACKET_HOST and packet[16:20] not in own:
                heapq.heappush(waiting, (time.monotonic() + delay, n, packet))
                n += 1
        while waiting and waiting[0][0] <= time.monotonic():
            packet = heapq.heappop(waiting)[2]
            length = struct.unpack("!H", packet[2:4])[0]
            try:
                out.sendto(packet[:length], (socket.inet_ntoa(packet[16:20]), 0))
            except OSError:
                pass


main()
