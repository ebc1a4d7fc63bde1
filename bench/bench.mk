# SPDX-License-Identifier: GPL-2.0-only
# Benchmark: included by the top Makefile.
#   make bench         all standard variants, JSON in build/bench/rate.json and connections.json
#   make bench-quick   less than a minute; fails when the mark tier is slower than it may be

BUILD ?= build
CLANG ?= clang
BPFTOOL ?= bpftool

BENCH_OUT := $(BUILD)/bench
BENCH_BPF := gen sink path
BENCH_C := bench util topo traffic variant measure report
BENCH_BIN := $(BENCH_OUT)/pccbench
BENCH_SKEL := $(BENCH_BPF:%=$(BENCH_OUT)/%.skel.h)
BENCH_ARGS ?=

BENCH_BPF_CFLAGS := -g -O2 -Wall -Wextra -Werror -target bpf -mcpu=v3 \
	-I/usr/include/$(shell $(CC) -print-multiarch)
BENCH_CFLAGS := -std=gnu11 -Wall -Wextra -Werror -Wno-missing-field-initializers -Wno-clobbered

.PHONY: bench bench-quick bench-build
bench-build: $(BENCH_BIN)

bench: all $(BENCH_BIN)
	$(BENCH_BIN) rate --json $(BENCH_OUT)/rate.json $(BENCH_ARGS)
	$(BENCH_BIN) connections --variants nft-pcc,mwan3,pccbpf-off \
		--json $(BENCH_OUT)/connections.json $(BENCH_ARGS)
	$(BENCH_BIN) wan-add --json $(BENCH_OUT)/wan-add.json

bench-quick: all $(BENCH_BIN)
	$(BENCH_BIN) rate --flows 1024 --packets 400000 --rounds 5 --min-ratio 0.90 \
		--variants nft-pcc,bare-tc,bare-xdp,pccbpf-off,pccbpf-tc,pccbpf-xdp \
		--json $(BENCH_OUT)/quick.json $(BENCH_ARGS)

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
