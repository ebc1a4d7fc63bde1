#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""dnsd.py READY ADDRESS...: answers DNS queries on port 53. example.test has the address 192.0.2.1,
fail.test is a server failure, silent.test gets no answer, any other name does not exist."""
import selectors
import socket
import sys


def answer(query):
    name, at = [], 12
    while query[at]:
        name.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    question = query[12:at + 5]
    name = ".".join(name)
    if name == "silent.test":
        return None
    found = name == "example.test"
    rcode = 0 if found else 2 if name == "fail.test" else 3
    head = query[:2] + bytes([0x81, 0x80 | rcode, 0, 1, 0, int(found), 0, 0, 0, 0])
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1" if found else b""
    return head + question + record


def main():
    sel = selectors.DefaultSelector()
    for address in sys.argv[2:]:
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, 53))
        sel.register(s, selectors.EVENT_READ)
    with open(sys.argv[1], "w", encoding="ascii") as ready:
        ready.write("ready\n")
    while True:
        for key, _ in sel.select():
            query, peer = key.fileobj.recvfrom(512)
            reply = answer(query)
            if reply:
                key.fileobj.sendto(reply, peer)


main()
