#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Test vectors for the classifier's hash: prints tests/unit/include/jhash_vectors.h.

An implementation of its own of jhash(), byte by byte after the description in include/linux/jhash.h,
and of the rule which bytes are hashed. It knows nothing of include/pccbpf_hash.h, so that an error
there is not repeated here. Run it again with

    python3 tests/unit/include/gen_jhash_vectors.py > tests/unit/include/jhash_vectors.h
"""
import ipaddress
import struct

M32 = 0xFFFFFFFF


def rol(x, k):
    return ((x << k) | (x >> (32 - k))) & M32


def mix(a, b, c):
    # __jhash_mix: six rounds of (subtract, xor rotated, add), the roles of a, b, c going round
    for k in (4, 6, 8, 16, 19, 4):
        a = (a - c) & M32
        a ^= rol(c, k)
        c = (c + b) & M32
        a, b, c = b, c, a
    return a, b, c


def final(a, b, c):
    # __jhash_final: seven rounds of (xor, subtract rotated)
    for k in (14, 11, 25, 16, 4, 14, 24):
        c ^= b
        c = (c - rol(b, k)) & M32
        a, b, c = b, c, a
    # seven rounds turn the three by one place: c is now called b
    return b


def jhash(key, initval):
    a = b = c = (0xDEADBEEF + len(key) + initval) & M32
    while len(key) > 12:
        x, y, z = struct.unpack("<III", key[:12])
        a, b, c = mix((a + x) & M32, (b + y) & M32, (c + z) & M32)
        key = key[12:]
    length = len(key)
    if length == 0:
        return c
    # the fall-through switch on the bytes that are left, from the last one down
    while length:
        byte = key[length - 1]
        if length > 8:
            c = (c + (byte << (8 * (length - 9)))) & M32
        elif length > 4:
            b = (b + (byte << (8 * (length - 5)))) & M32
        else:
            a = (a + (byte << (8 * (length - 1)))) & M32
        length -= 1
    return final(a, b, c)


class Prng:
    """Numerical Recipes' 64-bit linear congruential generator, high half."""

    def __init__(self, seed):
        self.state = seed

    def u32(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (2**64 - 1)
        return self.state >> 32


SRC, DST, SPORT, DPORT = 1, 2, 4, 8
CLASSIFIERS = (
    ("src-address", SRC),
    ("dst-address", DST),
    ("both-addresses", SRC | DST),
    ("src-port", SPORT),
    ("dst-port", DPORT),
    ("both-ports", SPORT | DPORT),
    ("src-address-and-port", SRC | SPORT),
    ("dst-address-and-port", DST | DPORT),
    ("both-addresses-and-ports", SRC | DST | SPORT | DPORT),
)
PROTOCOLS = (
    ("tcp", 6, True),
    ("udp", 17, True),
    ("udplite", 136, True),
    ("sctp", 132, True),
    ("dccp", 33, True),
    ("icmp", 1, False),
    ("gre", 47, False),
)
SEEDS = (0, 1, 0xDEADBEEF)


def classifier_input(fields, src, dst, sport, dport, has_ports):
    """The selected fields in network byte order, without padding."""
    if not has_ports:
        fields &= SRC | DST
        if not fields:
            fields = SRC | DST
    key = b""
    if fields & SRC:
        key += src
    if fields & DST:
        key += dst
    if fields & SPORT:
        key += struct.pack(">H", sport)
    if fields & DPORT:
        key += struct.pack(">H", dport)
    return key


def selftest():
    # lookup3.c, driver5(); jhash() is hashlittle() with a 32-bit initval
    text = b"Four score and seven years ago"
    assert jhash(b"", 0) == 0xDEADBEEF
    assert jhash(text, 0) == 0x17770551
    assert jhash(text, 1) == 0xCD628161


def vectors():
    prng = Prng(20240607)
    for family in (4, 6):
        for name, fields in CLASSIFIERS:
            for proto_name, proto, has_ports in PROTOCOLS:
                for seed in SEEDS + (prng.u32(),):
                    if family == 4:
                        src = struct.pack(">I", prng.u32())
                        dst = struct.pack(">I", prng.u32())
                    else:
                        src = struct.pack(">4I", 0x20010DB8, *(prng.u32() for _ in range(3)))
                        dst = struct.pack(">4I", 0x2A000000, *(prng.u32() for _ in range(3)))
                    sport, dport = prng.u32() & 0xFFFF, prng.u32() & 0xFFFF
                    key = classifier_input(fields, src, dst, sport, dport, has_ports)
                    yield (name, proto_name, family, proto, src, dst, sport, dport, seed,
                           jhash(key, seed))


def main():
    selftest()
    print("/* SPDX-License-Identifier: GPL-2.0-only */")
    print("/* Printed by tests/unit/include/gen_jhash_vectors.py. */")
    print("/* clang-format off */")
    print("static const struct jhash_vector jhash_vectors[] = {")
    for (name, _, family, proto, src, dst, sport, dport, seed, value) in vectors():
        print('\t{"%s", %d, %d, "%s", "%s", %d, %d, 0x%08xu, 0x%08xu},' % (
            name, family, proto, ipaddress.ip_address(src), ipaddress.ip_address(dst),
            sport, dport, seed, value))
    print("};")


main()
