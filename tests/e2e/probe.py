#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the shell and labtool cannot send: echo requests, hop limits, ICMP errors, multicast.

probe.py ping    DST[,DST] [--src A] [--id N] [--count N] [--ttl N] [--timeout-ms N] [--size N]
                 a line "DST ok FROM", "DST error TYPE CODE FROM" or "DST timeout" per request
probe.py udp     DST PORT [--src A] [--sport N] [--ttl N] [--size N] [--df] [--timeout-ms N]
                 one datagram; "ok TEXT", "error ERRNO TYPE CODE FROM MTU" or "timeout"
probe.py listen  GROUP PORT IF   joins, prints one line per datagram: "SOURCE TEXT"
probe.py tell    GROUP PORT IF TEXT   sends one datagram to a multicast group
The scope of a link-local address goes with it: fe80::1%eth0. Status 0 if all was answered.
"""
import argparse
import errno
import select
import socket
import struct
import sys
import time

IP_RECVERR = 11
IPV6_RECVERR = 25
IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
PMTUDISC_PROBE = 3  # DF set, but the path MTU that is known does not limit us
MSG_ERRQUEUE = 0x2000


def family_of(text):
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def resolve(text, port=0):
    return socket.getaddrinfo(text, port, family_of(text), socket.SOCK_DGRAM)[0][4]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def set_ttl(sock, family, ttl):
    if not ttl:
        return
    if family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)


def echo_request(family, ident, seq, size):
    kind = 8 if family == socket.AF_INET else 128
    body = b"p" * size
    head = struct.pack("!BBHHH", kind, 0, 0, ident, seq)
    if family == socket.AF_INET:  # the kernel fills in the one of ICMPv6
        head = struct.pack("!BBHHH", kind, 0, checksum(head + body), ident, seq)
    return head + body


def parse_answer(family, data, ident, seq):
    """ok, (type, code) of an error about our request, or None."""
    if family == socket.AF_INET:
        data = data[(data[0] & 15) * 4:]
    kind, code = data[0], data[1]
    if kind == (0 if family == socket.AF_INET else 129):
        return "ok" if struct.unpack("!HH", data[4:8]) == (ident, seq) else None
    if kind in ((3, 11) if family == socket.AF_INET else (1, 2, 3)):
        quoted = data[8:]
        off = (quoted[0] & 15) * 4 if family == socket.AF_INET else 40
        if struct.unpack("!HH", quoted[off + 4:off + 8]) == (ident, seq):
            return kind, code
    return None


def ping_one(args, dst, ident, seq):
    family = family_of(dst)
    proto = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    with socket.socket(family, socket.SOCK_RAW, proto) as sock:
        set_ttl(sock, family, args.ttl)
        if args.src and family_of(args.src) == family:
            sock.bind(resolve(args.src))
        try:
            sock.sendto(echo_request(family, ident, seq, args.size), resolve(dst))
        except OSError as err:
            return "%s error %s" % (dst, errno.errorcode.get(err.errno, err))
        deadline = time.monotonic() + args.timeout_ms / 1000
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([sock], [], [], left)[0]:
                return "%s timeout" % dst
            data, peer = sock.recvfrom(65535)
            got = parse_answer(family, data, ident, seq)
            if got == "ok":
                return "%s ok %s" % (dst, peer[0])
            if got:
                return "%s error %d %d %s" % (dst, *got, peer[0])


def cmd_ping(args):
    good = True
    for seq in range(args.count):
        for k, dst in enumerate(args.dst.split(",")):
            line = ping_one(args, dst, (args.id + (k if args.spread else 0)) & 0xFFFF, seq)
            good = good and " ok " in line
            print(line, flush=True)
    return 0 if good else 1


def read_error(sock):
    _, anc, _, _ = sock.recvmsg(65535, 512, MSG_ERRQUEUE)
    for _, _, data in anc:
        number, _, kind, code, _, info, _ = struct.unpack("=IBBBBII", data[:16])
        offender = data[16:]
        family = struct.unpack("=H", offender[:2])[0] if len(offender) >= 2 else 0
        source = "-"
        if family == socket.AF_INET:
            source = socket.inet_ntop(family, offender[4:8])
        elif family == socket.AF_INET6:
            source = socket.inet_ntop(family, offender[8:24])
        return "error %s %d %d %s %d" % (errno.errorcode[number], kind, code, source, info)
    return "error ?"


def cmd_udp(args):
    family = family_of(args.dst)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        set_ttl(sock, family, args.ttl)
        level, recverr, discover = (
            (socket.IPPROTO_IP, IP_RECVERR, IP_MTU_DISCOVER)
            if family == socket.AF_INET
            else (socket.IPPROTO_IPV6, IPV6_RECVERR, IPV6_MTU_DISCOVER)
        )
        sock.setsockopt(level, recverr, 1)
        if args.df:
            sock.setsockopt(level, discover, PMTUDISC_PROBE)
        if args.sport or args.src:
            anybody = "::" if family == socket.AF_INET6 else "0.0.0.0"
            sock.bind((args.src or anybody, args.sport or 0))
        sock.connect(resolve(args.dst, args.port))
        sock.send(b"u" * args.size)
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        for _, event in poller.poll(args.timeout_ms):
            if event & select.POLLERR:
                print(read_error(sock))
                return 1
            print("ok", sock.recv(65535).split(b"\n")[0].decode())
            return 0
    print("timeout")
    return 1


def cmd_listen(args):
    family = family_of(args.group)
    index = socket.if_nametoindex(args.ifname)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", args.port))
        group = socket.inet_pton(family, args.group)
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                            group + struct.pack("=4si", b"\0" * 4, index))
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                            group + struct.pack("=I", index))
        print("ready", flush=True)
        while True:
            data, peer = sock.recvfrom(65535)
            print(peer[0].split("%")[0], data.decode(), flush=True)


def cmd_tell(args):
    family = family_of(args.group)
    index = socket.if_nametoindex(args.ifname)
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                            struct.pack("=4s4si", b"\0" * 4, b"\0" * 4, index))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 4)
        sock.sendto(args.text.encode(), (args.group, args.port))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    sub = parser.add_subparsers(required=True)
    ping = sub.add_parser("ping")
    ping.add_argument("dst")
    ping.add_argument("--src")
    ping.add_argument("--id", type=int, default=4242)
    ping.add_argument("--spread", action="store_true", help="another id for every DST")
    ping.add_argument("--count", type=int, default=1)
    ping.set_defaults(run=cmd_ping)
    udp = sub.add_parser("udp")
    udp.add_argument("dst")
    udp.add_argument("port", type=int)
    udp.add_argument("--src")
    udp.add_argument("--sport", type=int)
    udp.add_argument("--df", action="store_true")
    udp.set_defaults(run=cmd_udp)
    for one in (ping, udp):
        one.add_argument("--ttl", type=int)
        one.add_argument("--size", type=int, default=8)
        one.add_argument("--timeout-ms", type=int, default=2000)
    listen = sub.add_parser("listen")
    tell = sub.add_parser("tell")
    for one in (listen, tell):
        one.add_argument("group")
        one.add_argument("port", type=int)
        one.add_argument("ifname")
    listen.set_defaults(run=cmd_listen)
    tell.add_argument("text")
    tell.set_defaults(run=cmd_tell)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
