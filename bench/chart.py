#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Draws the chart and fills the tables of docs/BENCHMARKS.md from the JSON of "make bench".

usage: chart.py BENCH.json INSNS.json CHART.svg [BENCHMARKS.md]

INSNS.json is that of "make bench-insns". The tables stand between <!-- NAME --> and <!-- /NAME -->; everything else in the file is left
alone. Python's standard library is all that it needs.
"""
import html
import json
import statistics
import sys

WIDTH = 760
LABEL_WIDTH = 190
VALUE_WIDTH = 64
BAR_HEIGHT = 16
ROW_HEIGHT = 22
# Middle tones, legible on white and on black.
TEXT = "#7d8590"
OTHERS = "#9aa3ad"
OURS = "#2f81f7"
LIMIT = "#bf8700"
BASE = "#d1495b"

NAMES = {
    "plain": "plain forwarding, no NAT",
    "ecmp-masq": "ECMP + masquerade",
    "nft-pcc": "nft PCC + masquerade",
    "nft-flowtable": "nft PCC + flowtable",
    "mwan3": "mwan3-like + masquerade",
    "bare-tc": "bare tc redirect",
    "bare-xdp": "bare XDP redirect",
    "pccbpf-off": "pccbpf, mark tier",
    "pccbpf-tc": "pccbpf, tc fast path",
    "pccbpf-xdp": "pccbpf, XDP fast path",
}
ORDER = list(NAMES)
WITH_NAT = [name for name in ORDER
            if name.endswith("masq") or name in ("nft-pcc", "nft-flowtable", "mwan3")
            or name.startswith("pccbpf")]
# What the kernel that was timed may lack: the row says so in place of a bar.
OPTIONAL = ("nft-flowtable",)


class Results:
    """The rows of a run, and the instructions per packet under other kernels."""

    def __init__(self, path, insns_path):
        with open(path, encoding="utf-8") as file:
            self.root = json.load(file)
        with open(insns_path, encoding="utf-8") as file:
            insns = json.load(file)
        self.kernels, self.flows = insns["kernels"], insns["flows"]

    @staticmethod
    def insns(kernel, variant):
        """Instructions of a packet under a kernel, and how many times nft PCC's they go into."""
        for row in kernel["variants"]:
            if row["variant"] == variant and row["insns"]:
                return row["insns"], row["ratio_nft_pcc"]
        return None, None

    def row(self, section, variant, flows=None, wans=2, measurement=None):
        for row in self.root["results"]:
            if (row["section"] == section and row["variant"] == variant and row["wans"] == wans
                    and flows in (None, row["flows"])
                    and measurement in (None, row["measurement"])):
                return row
        return None

    def ratio(self, *args, **words):
        row = self.row(*args, **words)
        return row["ratio_nft_pcc"] if row else None

    def quotient(self, variant, base, *args, **words):
        """Median of the quotients of one turn: a variant's rate / another one's."""
        row = self.row(args[0], variant, *args[1:], **words)
        other = self.row(args[0], base, *args[1:], **words)
        if not row or not other:
            return None
        pairs = zip(row["rounds_ns"], other["rounds_ns"])
        quotients = [theirs / ours for ours, theirs in pairs if ours and theirs]
        return statistics.median(quotients) if quotients else None


def colour(variant):
    if variant.startswith("pccbpf"):
        return OURS
    return LIMIT if variant.startswith("bare") else OTHERS


def text(x, y, words, anchor="start", size=13, fill=TEXT, weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
            f'fill="{fill}" font-weight="{weight}">{html.escape(words)}</text>')


class Panel:
    """Horizontal bars below a title; 1 is marked with a line."""

    def __init__(self, title, bars):
        self.title = title
        self.bars = [(name, value) for name, value in bars if value or name in OPTIONAL]
        if not any(value for _, value in self.bars):
            self.bars = []

    def height(self):
        return 30 + ROW_HEIGHT * len(self.bars) + 14

    def draw(self, top):
        room = WIDTH - LABEL_WIDTH - VALUE_WIDTH
        most = max([value for _, value in self.bars if value] + [1.25])
        scale = room / most
        out = [text(0, top + 16, self.title, size=14, weight="bold")]
        y = top + 30
        for name, value in self.bars:
            middle = y + BAR_HEIGHT - 3.5
            out.append(text(LABEL_WIDTH - 8, middle, NAMES[name], "end"))
            if not value:
                out.append(text(LABEL_WIDTH + 6, middle, "the kernel that was timed has none"))
                y += ROW_HEIGHT
                continue
            out.append(f'<rect x="{LABEL_WIDTH}" y="{y}" width="{value * scale:.1f}" '
                       f'height="{BAR_HEIGHT}" rx="2" fill="{colour(name)}"/>')
            end, line = LABEL_WIDTH + value * scale, LABEL_WIDTH + scale
            if end < line < end + VALUE_WIDTH:
                end = line
            out.append(text(end + 6, middle, f"{value:.2f} ×"))
            y += ROW_HEIGHT
        x = LABEL_WIDTH + scale
        out.append(f'<line x1="{x:.1f}" y1="{top + 24}" x2="{x:.1f}" y2="{y}" stroke="{BASE}" '
                   f'stroke-width="1.5" stroke-dasharray="4 3"/>')
        return out


def panels(results):
    def bars(names, section, **words):
        return [(name, results.ratio(section, name, **words)) for name in names]

    return [
        Panel("Packet rate, 64 bytes, 1024 connections, 2 WANs",
              bars(ORDER, "rate", flows=1024)),
        Panel("Packet rate, 64 bytes, 100,000 connections",
              bars(WITH_NAT, "rate", flows=100000)),
        Panel("New TCP connections per second", bars(WITH_NAT, "handshakes")),
        Panel("TCP download, 32 streams, GRO on, everything on one processor",
              bars(WITH_NAT, "tcp", flows=32, measurement="bulk-1cpu")),
    ] + [
        Panel(f'Packets per instruction, Linux {kernel["kernel"]}, 64 bytes, '
              f'{results.flows} connections',
              [(name, results.insns(kernel, name)[1]) for name in ORDER])
        for kernel in results.kernels
    ]


def draw(results):
    out, top = [], 44
    for panel in panels(results):
        if panel.bars:
            out += panel.draw(top)
            top += panel.height()
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
        f'viewBox="0 0 {WIDTH} {top}" font-family="system-ui, sans-serif" role="img" '
        'aria-label="Throughput of ways to balance several WANs, relative to nftables PCC">',
        text(0, 16, "Relative to PCC with nftables (dashed line); more is better.", size=14),
    ]
    return "\n".join(head + out + ["</svg>", ""])


# ---- tables ----

def number(value, digits=2):
    return "-" if not value else f"{value:.{digits}f}"


def cell(results, section, variant, column, spread=False, **words):
    """A column of a row; spread: with half the distance between the quartiles."""
    row = results.row(section, variant, **words)
    if not row:
        return "-"
    value, percent = row.get(column), row.get(f"{column}_spread_percent")
    return number(value) + (f" ± {value * percent / 100:.2f}" if value and percent and spread else "")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def rate_table(results):
    counts = [("rate", 1), ("rate", 1024), ("rate", 100000), ("million", 1000000)]

    def share(name):
        row = results.row("million", name, flows=1000000)
        value = row and row["fast_share"]
        if name not in ("pccbpf-tc", "pccbpf-xdp") or not row or not row["ns"]:
            return "-"
        return f"{100 * (value or 0):.0f} %"

    rows = [[NAMES[name]]
            + [cell(results, section, name, "ratio_nft_pcc", flows=flows)
               for section, flows in counts]
            + [share(name), cell(results, "rate", name, "ratio_bare", flows=1024)]
            for name in ORDER]
    return table(["packet rate / nft PCC", "1 flow", "1024", "100,000", "1,000,000",
                  "of it by the fast path", "1024: / bare redirect"], rows)


def insns_table(results):
    rows = []
    for name in ORDER:
        row = [NAMES[name]]
        for kernel in results.kernels:
            insns, ratio = results.insns(kernel, name)
            row += [str(insns) if insns else "-", number(ratio)]
        rows.append(row)
    head = ["instructions per packet"]
    for kernel in results.kernels:
        head += [f'Linux {kernel["kernel"]}', "nft PCC / it"]
    return table(head, rows)


def new_table(results):
    def ratio(name, section, measurement):
        return cell(results, section, name, "ratio_nft_pcc", spread=True, measurement=measurement)

    rows = [[NAMES[name], ratio(name, "handshakes", "handshakes"),
             ratio(name, "spread", "handshakes"), ratio(name, "ipv6", "handshakes"),
             ratio(name, "connections", "connections"),
             ratio(name, "spread", "connections"), ratio(name, "ipv6", "connections")]
            for name in ORDER]
    return table(["new connections/s / nft PCC", "TCP", "TCP, a destination each",
                  "TCP, IPv6", "UDP, one packet each",
                  "UDP, a destination each", "UDP, IPv6"], rows)


def other_table(results, section="tcp"):
    def tcp(name, measurement, flows=None):
        return cell(results, section, name, "ratio_nft_pcc", spread=True, flows=flows,
                    measurement=measurement)

    rows = [[NAMES[name],
             tcp(name, "bulk-1cpu", 1), tcp(name, "bulk-1cpu", 32),
             tcp(name, "bulk", 1), tcp(name, "bulk", 32),
             tcp(name, "latency-p50"), tcp(name, "latency-p99")]
            for name in ORDER]
    return table(["/ nft PCC, more is better", "TCP, 1 stream, one CPU",
                  "32 streams, one CPU", "1 stream, two CPUs", "32 streams, two CPUs",
                  "response p50", "response p99"], rows)


def other_ipv6_table(results):
    return other_table(results, "ipv6")


def wans_quotient(results, name, wans, field):
    """A field of the row with so many WANs / that of the row with two, of the same variant."""
    two = results.row("wans", name, flows=1024, wans=2)
    many = results.row("wans", name, flows=1024, wans=wans)
    if not two or not many or not two[field] or not many[field]:
        return None
    return many[field] / two[field]


def wans_own(results, name, wans):
    """Packet rate with so many WANs / with two."""
    time = wans_quotient(results, name, wans, "ns")
    return time and 1 / time


def wans_table(results):
    rows = [[NAMES[name]]
            + [cell(results, "wans", name, "ratio_nft_pcc", flows=1024, wans=wans)
               for wans in (2, 8, 64)]
            + [cell(results, "wans", name, "ratio_bare", flows=1024, wans=wans)
               for wans in (2, 8, 64)]
            + [number(wans_own(results, name, 64))]
            for name in ORDER if results.row("wans", name) or name in OPTIONAL]
    return table(["1024 flows", "2 WANs / nft PCC", "8", "64", "2 WANs / bare", "8", "64",
                  "64 WANs / 2, own rate"], rows)


def bursts_table(results):
    def counts(name, column, first=2):
        return [cell(results, "bursts", name, column, flows=2048, wans=wans)
                for wans in (2, 8, 64) if wans >= first]

    rows = [[NAMES[name]] + counts(name, "ratio_nft_pcc") + counts(name, "ratio_bare")
            + counts(name, "ratio_fewest_wans", 8)
            for name in ORDER if name in ("nft-pcc", "nft-flowtable", "bare-tc", "bare-xdp")
            or name.startswith("pccbpf")]
    return table(["2048 flows, bursts of 32", "2 WANs / nft PCC", "8", "64", "2 WANs / bare", "8",
                  "64", "8 WANs / 2, own rate", "64 / 2"], rows)


def ipv6_table(results):
    rows = [[NAMES[name]]
            + [cell(results, "ipv6", name, "ratio_nft_pcc", flows=flows, measurement="rate")
               for flows in (1, 1024)]
            + [cell(results, "ipv6", name, "ratio_bare", flows=1024, measurement="rate")]
            for name in ORDER
            if results.row("ipv6", name, measurement="rate") or name in OPTIONAL]
    return table(["IPv6, packet rate / nft PCC", "1 flow", "1024", "1024: / bare redirect"], rows)


def memory_table(results):
    memory = results.root.get("memory")
    if not memory:
        return "Not measured."
    return table(["memory", "bytes"], [
        ["pcc_conns, a connection", f'{memory["pcc_conns_bytes"]:.0f}'],
        ["pcc_flows, a connection (two entries)", f'{memory["pcc_flows_bytes"]:.0f}'],
        ["the kernel's conntrack entry, without extensions",
         f'{memory["conntrack_entry_bytes"]:.0f}'],
        ["all that the kernel takes for a connection with NAT, without pccbpf",
         f'{memory.get("conntrack_growth_bytes", 0):.0f}'],
        ["all other maps, once", f'{memory["other_maps_bytes"]:.0f}'],
    ])


def verdict(value, least):
    if not value:
        return ["-", "not measured"]
    return [number(value), "met" if value >= least else "**not met**"]


def targets_table(results):
    def bare(name):
        row = results.row("rate", name, flows=1024)
        return row["ratio_bare"] if row else None

    def million(name):
        return results.ratio("million", name, flows=1000000)

    def wans_in_bursts(name):
        row = results.row("bursts", name, flows=2048, wans=64)
        return row["ratio_fewest_wans"] if row else None

    def tcp(base, streams):
        return results.quotient("pccbpf-tc", base, "tcp", flows=streams, measurement="bulk-1cpu")

    goals = [
        ("XDP / nft PCC", results.ratio("rate", "pccbpf-xdp", flows=1024), 6),
        ("XDP / bare XDP redirect", bare("pccbpf-xdp"), 0.65),
        ("tc / nft PCC", results.ratio("rate", "pccbpf-tc", flows=1024), 2.4),
        ("mark tier / nft PCC", results.ratio("rate", "pccbpf-off", flows=1024), 0.95),
        ("XDP / nft PCC, 1,000,000 flows", million("pccbpf-xdp"), 3),
        ("XDP, 64 WANs / 2, bursts of 32", wans_in_bursts("pccbpf-xdp"), 0.95),
        ("tc, 64 WANs / 2, bursts of 32", wans_in_bursts("pccbpf-tc"), 0.95),
        ("mark tier, 64 WANs / 2, bursts of 32", wans_in_bursts("pccbpf-off"), 0.95),
        ("XDP, 64 WANs / 2, WAN by flow", wans_own(results, "pccbpf-xdp", 64), 0.95),
        ("tc, 64 WANs / 2, WAN by flow", wans_own(results, "pccbpf-tc", 64), 0.95),
        ("new TCP connections, mark tier", results.ratio("handshakes", "pccbpf-off"), 0.95),
        ("new TCP connections, tc", results.ratio("handshakes", "pccbpf-tc"), 0.95),
        ("new TCP connections, XDP", results.ratio("handshakes", "pccbpf-xdp"), 0.95),
        ("first packets of UDP, mark tier", results.ratio("connections", "pccbpf-off"), 0.95),
        ("first packets of UDP, tc", results.ratio("connections", "pccbpf-tc"), 0.95),
        ("first packets of UDP, XDP", results.ratio("connections", "pccbpf-xdp"), 0.95),
        ("TCP through tc / nft PCC, 1 stream", tcp("nft-pcc", 1), 1),
        ("TCP through tc / nft PCC, 32 streams", tcp("nft-pcc", 32), 1),
        ("TCP through tc / ECMP + masquerade, 1 stream", tcp("ecmp-masq", 1), 1),
        ("TCP through tc / ECMP + masquerade, 32 streams", tcp("ecmp-masq", 32), 1),
    ]
    return table(["target", "at least", "measured", ""],
                 [[name, str(least)] + verdict(value, least) for name, value, least in goals])


TABLES = {
    "targets": targets_table,
    "insns": insns_table,
    "rate": rate_table,
    "new": new_table,
    "other": other_table,
    "bursts": bursts_table,
    "wans": wans_table,
    "ipv6": ipv6_table,
    "other6": other_ipv6_table,
    "memory": memory_table,
}


def fill(path, results):
    with open(path, encoding="utf-8") as file:
        words = file.read()
    for name, make in TABLES.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if begin not in words or end not in words:
            raise SystemExit(f"{path}: no {begin} ... {end}")
        before, rest = words.split(begin, 1)
        words = f"{before}{begin}\n{make(results)}\n{end}{rest.split(end, 1)[1]}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(words)


def main(args):
    if len(args) not in (4, 5):
        raise SystemExit(__doc__.split("\n\n")[1])
    results = Results(args[1], args[2])
    with open(args[3], "w", encoding="utf-8") as file:
        file.write(draw(results))
    if len(args) == 5:
        fill(args[4], results)


if __name__ == "__main__":
    main(sys.argv)
