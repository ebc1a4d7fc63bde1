#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""stream.py READY ADDRESS PORT FLOWS INTERVAL_MS: datagrams of FLOWS flows, each every INTERVAL_MS, to a server
that answers each with the source that it saw. At SIGTERM it waits for the last answers and prints a JSON array:
for each flow what was sent, what was answered, the sources seen in order, and the longest time without an answer."""
import json
import selectors
import signal
import socket
import sys
import time

LAST_S = 2.0
FIRST_PORT = 52000


class Flow:
    def __init__(self, sel, peer, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.bind(("", port))
        self.sock.connect(peer)
        self.port, self.sent, self.got, self.seen, self.gap, self.last = port, 0, 0, [], 0.0, time.monotonic()
        sel.register(self.sock, selectors.EVENT_READ, self)

    def send(self):
        try:
            self.sock.send(b"%d" % self.sent)
        except OSError:  # an ICMP error to an earlier one: what was not sent was lost as well
            pass
        self.sent += 1

    def read(self):
        try:
            answer = self.sock.recv(256)
        except OSError:
            return
        now, source = time.monotonic(), answer.split()[0].decode()
        self.gap, self.last, self.got = max(self.gap, now - self.last), now, self.got + 1
        if not self.seen or self.seen[-1] != source:
            self.seen.append(source)

    def report(self):
        return {"port": self.port, "sent": self.sent, "got": self.got, "seen": self.seen, "gap_ms": int(self.gap * 1000)}


def main():
    ready, address, port, n, interval = sys.argv[1:]
    step, sel, ended = float(interval) / 1000 / int(n), selectors.DefaultSelector(), []
    flows = [Flow(sel, (address, int(port)), FIRST_PORT + i) for i in range(int(n))]
    signal.signal(signal.SIGTERM, lambda *_: ended.append(time.monotonic()))
    with open(ready, "w", encoding="ascii") as f:
        f.write("ready\n")
    start, turn = time.monotonic(), 0
    while not ended or time.monotonic() < ended[0] + LAST_S:
        due = start + turn * step
        for key, _ in sel.select(max(0.0, due - time.monotonic()) if not ended else 0.1):
            key.data.read()
        if not ended and time.monotonic() >= due:
            flows[turn % len(flows)].send()
            turn += 1
    print(json.dumps([f.report() for f in flows]))


main()
