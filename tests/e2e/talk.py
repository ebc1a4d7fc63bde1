#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
#
# talk.py DESTINATION PORT SOURCE-PORT COUNT SIZE: that many datagrams to the lab's echo servers, each of them
# different, 16 under way (4 of large ones: a socket's buffer has room for no more). Prints SENT RECEIVED
# SENT-BYTES RECEIVED-BYTES, of payload.
import socket
import sys

dst, port, sport, count, size = sys.argv[1], *map(int, sys.argv[2:6])
s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", sport))
s.connect((dst, port))
s.settimeout(2)
under_way = 16 if size < 2000 else 4
sent = got = rx = 0
wanted = set()
try:
    while got < count:
        while sent < count and sent - got < under_way:
            data = (b"%06d" % sent * (size // 6 + 1))[:size]
            s.send(data)
            wanted.add(data)
            sent += 1
        data = s.recv(65536)
        echo = data.split(b" ", 2)[2]  # behind the source that the server saw
        if echo not in wanted:
            sys.exit("an answer that is no echo: %d bytes" % len(data))
        wanted.remove(echo)
        rx += len(data)
        got += 1
except socket.timeout:
    pass
print(sent, got, sent * size, rx)
