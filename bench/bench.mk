# SPDX-License-Identifier: GPL-2.0-only
# Benchmark: included by the top Makefile.
#   make bench         everything in less than 20 minutes; a table, and build/bench/bench.json
#   make bench-quick   less than a minute; fails when a mode is slower than it may be
#   make bench-insns   instructions per packet under other kernels, in a virtual machine; build/bench/insns.json
#   make bench-docs    docs/benchmarks* and the tables of docs/BENCHMARKS.md from what the two have written

BUILD ?= build
CLANG ?= clang
BPFTOOL ?= bpftool

BENCH_OUT := $(BUILD)/bench
BENCH_BPF := gen sink path
BENCH_C := bench util topo traffic streams variant stand measure wan_add plan report
BENCH_BIN := $(BENCH_OUT)/pccbench
BENCH_SKEL := $(BENCH_BPF:%=$(BENCH_OUT)/%.skel.h)
.SECONDARY: $(BENCH_BPF:%=$(BENCH_OUT)/%.bpf.o)
BENCH_ARGS ?=

BENCH_BPF_CFLAGS := -g -O2 -Wall -Wextra -Werror -target bpf -mcpu=v3 \
	-I/usr/include/$(shell $(CC) -print-multiarch)
BENCH_CFLAGS := -std=gnu11 -Wall -Wextra -Werror -Wno-missing-field-initializers -Wno-clobbered

.PHONY: bench bench-quick bench-build bench-insns bench-docs
bench-build: $(BENCH_BIN)

bench: all $(BENCH_BIN)
	$(BENCH_BIN) plan --json $(BENCH_OUT)/bench.json $(BENCH_ARGS)

# The bounds are well below what is reached: a busy machine is no regression.
bench-quick: all $(BENCH_BIN)
	$(BENCH_BIN) rate --flows 1024 \
		--min-ratio pccbpf-off=0.85,pccbpf-tc=2.0,pccbpf-xdp=5 \
		--variants nft-pcc,bare-tc,bare-xdp,pccbpf-off,pccbpf-tc,pccbpf-xdp \
		--json $(BENCH_OUT)/quick.json $(BENCH_ARGS)
	$(BENCH_BIN) connections --min-ratio pccbpf-off=0.6,pccbpf-tc=0.55,pccbpf-xdp=0.55 \
		--variants nft-pcc,pccbpf-off,pccbpf-tc,pccbpf-xdp \
		--json $(BENCH_OUT)/quick-connections.json $(BENCH_ARGS)

# Debian's 6.1 and 6.12, from tests/kernels/fetch.sh; INSNS_KERNELS names others. Some minutes each.
bench-insns: all $(BENCH_BIN)
	PCC_INSNS_JSON=$(BENCH_OUT)/insns.json bench/insns.sh $(INSNS_KERNELS)

# The chart and the tables from the last runs of "make bench" and "make bench-insns", or from what is in docs/ already.
bench-docs:
	test ! -e $(BENCH_OUT)/bench.json || cp $(BENCH_OUT)/bench.json docs/benchmarks.json
	test ! -e $(BENCH_OUT)/insns.json || cp $(BENCH_OUT)/insns.json docs/benchmarks-insns.json
	bench/chart.py docs/benchmarks.json docs/benchmarks-insns.json docs/benchmarks.svg docs/BENCHMARKS.md

$(BENCH_OUT):
	mkdir -p $@

$(BENCH_OUT)/%.bpf.o: bench/%.bpf.c | $(BENCH_OUT)
	$(CLANG) $(BENCH_BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@

$(BENCH_OUT)/%.skel.h: $(BENCH_OUT)/%.bpf.o
	$(BPFTOOL) gen skeleton $< name bench_$* > $@.tmp && mv $@.tmp $@

$(BENCH_OUT)/%.o: bench/%.c $(BENCH_SKEL) | $(BENCH_OUT)
	$(CC) $(CFLAGS) $(BENCH_CFLAGS) -I$(BENCH_OUT) -MMD -MP -c $< -o $@

$(BENCH_BIN): $(BENCH_C:%=$(BENCH_OUT)/%.o)
	$(CC) $(LDFLAGS) $^ -lbpf -ljansson -o $@

-include $(wildcard $(BENCH_OUT)/*.d)
