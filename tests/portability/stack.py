#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""stack.py [--all] [--limit BYTES] OBJECT...: the stack that each program of a BPF object needs.

The kernel gives a program and what it calls 512 bytes together, and its verifier (before 6.4) rounds each
function's frame up to 32. Compilers share out registers and stack differently, so what one of them fits in
another may not: this shows it without a kernel. Prints a program a line: bytes, frames, the chain. Exit
status 1 where a chain needs more than --limit (512) or more than 8 frames.
"""
import argparse
import struct
import sys

ROUND = 32
FRAMES = 8
STT_FUNC, STT_SECTION = 2, 3
R_BPF_64_64 = 1
CALL, LD_IMM64, MOV64, ADD64_IMM = 0x85, 0x18, 0xBF, 0x07
R10 = 10


def elf_sections(data):
    shoff, = struct.unpack_from('<Q', data, 40)
    entsize, count, names = struct.unpack_from('<HHH', data, 58)
    heads = [struct.unpack_from('<IIQQQQIIQQ', data, shoff + i * entsize) for i in range(count)]
    table = data[heads[names][4]:]
    out = []
    for h in heads:
        name = table[h[0]:table.index(b'\0', h[0])].decode()
        out.append((name, h[1], data[h[4]:h[4] + h[5]], h[6], h[7]))
    return out


def elf_symbols(sections):
    for _, kind, body, link, _ in sections:
        if kind != 2:
            continue
        strings = sections[link][2]
        out = []
        for pos in range(0, len(body), 24):
            name, info, _, shndx, value, size = struct.unpack_from('<IBBHQQ', body, pos)
            out.append((strings[name:strings.index(b'\0', name)].decode(), info & 15, shndx, value, size))
        return out
    return []


class Object:
    """Functions by (section, first instruction): name, frame, calls."""

    def __init__(self, path):
        with open(path, 'rb') as f:
            self.sections = elf_sections(f.read())
        self.symbols = elf_symbols(self.sections)
        self.relocs = {}
        for _, kind, body, _, info in self.sections:
            if kind == 9:
                for pos in range(0, len(body), 16):
                    offset, what = struct.unpack_from('<QQ', body, pos)
                    self.relocs[info, offset] = (what & 0xffffffff, self.symbols[what >> 32])
        self.functions = {}
        for name, kind, shndx, value, size in self.symbols:
            if kind == STT_FUNC and size:
                self.functions[shndx, value] = (name, *self.read(shndx, value, size))

    def target(self, shndx, pos, imm, src):
        """Of a call, or of a function's address; None where it is not in this object."""
        kind, sym = self.relocs.get((shndx, pos), (None, None))
        if sym is None:
            return (shndx, pos + 8 + imm * 8) if src == 1 else None
        if sym[1] not in (STT_FUNC, STT_SECTION) or not self.sections[sym[2]][1] == 1:
            return None
        if kind == R_BPF_64_64:
            return (sym[2], sym[3] + imm)
        return (sym[2], sym[3] + (imm + 1) * 8)

    def read(self, shndx, start, size):
        body, low, calls, of_r10 = self.sections[shndx][2], 0, set(), set()
        pos = start
        while pos < start + size:
            code, regs, off, imm = struct.unpack_from('<BBhi', body, pos)
            dst, src = regs & 15, regs >> 4
            kind = code & 7
            if (kind == 1 and src == R10) or (kind in (2, 3) and dst == R10):
                low = min(low, off)
            elif code == MOV64 and src == R10:
                of_r10.add(dst)
            elif code == ADD64_IMM and dst in of_r10:
                low = min(low, imm)
                of_r10.discard(dst)
            if code == CALL and src == 1 or code == LD_IMM64 and src in (0, 4):
                to = self.target(shndx, pos, imm, src)
                if to and (code == CALL or self.sections[to[0]][0] == '.text'):
                    calls.add(to)
            pos += 16 if code == LD_IMM64 else 8
        return -low, calls

    def deepest(self, at, depth=0):
        """Bytes and the chain of calls that needs most."""
        name, frame, calls = self.functions[at]
        if depth > 16:
            raise ValueError(f'{name}: calls itself')
        rounded = (max(frame, 1) + ROUND - 1) // ROUND * ROUND
        best = (0, [])
        for to in calls:
            if to in self.functions:
                best = max(best, self.deepest(to, depth + 1))
        return rounded + best[0], [f'{name}:{frame}'] + best[1]

    def frames(self, at):
        return 1 + max((self.frames(to) for to in self.functions[at][2] if to in self.functions), default=0)


def main():
    args = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    args.add_argument('--limit', type=int, default=512)
    args.add_argument('--all', action='store_true', help='every function, not the programs only')
    args.add_argument('object', nargs='+')
    args = args.parse_args()
    over = 0
    for path in args.object:
        obj = Object(path)
        for at, (name, _, _) in sorted(obj.functions.items()):
            if not args.all and obj.sections[at[0]][0] == '.text':
                continue
            need, chain = obj.deepest(at)
            frames = obj.frames(at)
            bad = need > args.limit or frames > FRAMES
            over += bad
            print(f'{name:14} {need:4} {frames} {" ".join(chain)}{"  TOO MUCH" if bad else ""}')
    return over != 0


if __name__ == '__main__':
    sys.exit(main())
