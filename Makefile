# SPDX-License-Identifier: GPL-2.0-only
# make            build build/pccbpf
# make test       install what is missing, build, run every test
# make demo       install what is missing, build, show it on a lab of namespaces
# make test-compilers  builds with clang 14 to 19 in Debian 12 and 13, and what comes of it (downloads)
# make test-arm64  the same for arm64, in a virtual machine (downloads)
# make test-kernels  the same product under Debian's kernels, in virtual machines (KERNELS="6.1 6.12")
# make bench      packet rates against nftables and others
# make install    PREFIX=/usr/local, DESTDIR=
# make deb        the Debian package, in build/deb
# make test-system  that package on fresh systems with systemd, in virtual machines
# V=1 shows the commands.

VERSION  := 0.1.0
BUILD    := build
PREFIX   ?= /usr/local
SBINDIR  ?= $(PREFIX)/sbin
MANDIR   ?= $(PREFIX)/share/man
DOCDIR   ?= $(PREFIX)/share/doc/pccbpf
UNITDIR  ?= $(PREFIX)/lib/systemd/system
NETWDDIR ?= $(PREFIX)/lib/systemd/networkd.conf.d
COMPDIR  ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR   ?= $(PREFIX)/share/zsh/site-functions

CC       ?= gcc
MKMAN    ?= $(BUILD)/mkman
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
LIBS     := -lxdp -lbpf -lmnl -lnftables -ljansson -lyaml -lsystemd -lresolv
# The tests ask conntrack by another way than the product.
TESTLIBS := -lcmocka -lnetfilter_conntrack
WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	    -Wwrite-strings -Wvla -Wformat -Wundef
CFLAGS   ?= -O2 -g
CPPFLAGS += -Iinclude -Iuser -I$(BUILD)/bpf -D_GNU_SOURCE -DPCC_VERSION='"$(VERSION)"'
CSTD     := -std=gnu11 -fno-strict-aliasing
# The lists of warnings differ for BPF: clang checks more, and programs are not called by anybody.
BPFWARN  := -Wall -Wextra -Werror -Wshadow -Wno-unused-parameter -Wno-unused-function
BPFFLAGS := -g -O2 -target bpf -mcpu=v3 $(BPFWARN) -I$(BUILD)/bpf -Iinclude -Ibpf

USER_SRC := $(filter-out user/cli/main.c,$(wildcard user/*/*.c))
USER_OBJ := $(USER_SRC:user/%.c=$(BUILD)/user/%.o)
UNIT_SRC := $(wildcard tests/unit/*/test_*.c)
UNIT_BIN := $(patsubst %.c,$(BUILD)/tests/%,$(notdir $(UNIT_SRC)))
PROG_SRC := $(wildcard tests/prog/test_*.c)
PROG_BIN := $(PROG_SRC:tests/prog/%.c=$(BUILD)/tests/%)
TOOL_SRC := $(wildcard tests/tools/*.c)
TOOL_BIN := $(TOOL_SRC:tests/tools/%.c=$(BUILD)/%)

BPF_OBJ  := $(patsubst %,$(BUILD)/bpf/%.bpf.o,pccbpf pccbpf_xdp pccbpf_wire pccbpf_neigh pccbpf_own pccbpf_asked)
SKELS    := $(BPF_OBJ:.bpf.o=.skel.h)

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

.PHONY: all tools unit install uninstall print-bpfflags deps deps-all lint demo deb clean
.PHONY: test check check-unit test-kernels test-compilers test-arm64 test-system
.DELETE_ON_ERROR:

all: $(BUILD)/pccbpf $(BUILD)/pccbpf.8 $(BUILD)/pccbpf.yaml.5 $(BUILD)/pccbpf.service

$(BUILD)/pccbpf: $(BUILD)/user/cli/main.o $(USER_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

# Which of them need which skeleton is in their lists of headers, once they have been compiled.
$(BUILD)/user/%.o: user/%.c $(BUILD)/flags | $(SKELS)
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(WARN) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# Objects depend on what they are compiled with.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CFLAGS) $(CPPFLAGS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS) $(CPPFLAGS)' > $@
$(BUILD)/bpf-flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CLANG) $(BPFFLAGS)' | cmp -s - $@ || echo '$(CLANG) $(BPFFLAGS)' > $@
FORCE:

$(BPF_OBJ): $(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(BUILD)/bpf-flags
	$(say) BPF $@
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPFFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@.tmp
	$(Q)$(BPFTOOL) gen object $@ $@.tmp && rm $@.tmp

$(SKELS): $(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# Options and keys in the manual pages come from their tables. When building for another machine MKMAN is one that runs here.
$(BUILD)/pccbpf.8 $(BUILD)/pccbpf.yaml.5: $(BUILD)/%: docs/%.in $(MKMAN)
	$(say) MAN $@
	$(Q)sed 's/@VERSION@/$(VERSION)/' $< | $(MKMAN) > $@

$(BUILD)/mkman: docs/mkman.c $(USER_OBJ)
	$(say) TOOL $@
	$(Q)$(CC) $(CSTD) $(WARN) $(CPPFLAGS) $(CFLAGS) -MMD -MP $< $(USER_OBJ) -o $@ $(LIBS)

$(BUILD)/pccbpf.service: packaging/pccbpf.service.in $(BUILD)/flags
	$(say) UNIT $@
	$(Q)sed 's|@SBINDIR@|$(SBINDIR)|g' $< > $@

tools: $(TOOL_BIN)

$(BUILD)/probetool: tests/tools/probetool.c $(USER_OBJ)
	$(say) TOOL $@
	$(Q)$(CC) $(CSTD) $(WARN) $(CPPFLAGS) $(CFLAGS) -MMD -MP $< $(USER_OBJ) -o $@ $(LIBS)

$(filter-out $(BUILD)/probetool,$(TOOL_BIN)): $(BUILD)/%: tests/tools/%.c
	$(say) TOOL $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(WARN) $(CPPFLAGS) $(CFLAGS) -MMD -MP $< -o $@

unit: $(UNIT_BIN) $(PROG_BIN)

# Every test has a name of its own, so that its program needs no folder.
vpath test_%.c $(sort $(dir $(UNIT_SRC) $(PROG_SRC)))
$(UNIT_BIN) $(PROG_BIN): $(BUILD)/tests/%: %.c $(USER_OBJ)
	$(say) TEST $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CSTD) $(WARN) $(CPPFLAGS) -Itests $(CFLAGS) -MMD -MP $< $(USER_OBJ) -o $@ $(TESTLIBS) $(LIBS)

install: all
	install -D -m 0755 $(BUILD)/pccbpf $(DESTDIR)$(SBINDIR)/pccbpf
	install -D -m 0644 $(BUILD)/pccbpf.8 $(DESTDIR)$(MANDIR)/man8/pccbpf.8
	install -D -m 0644 $(BUILD)/pccbpf.yaml.5 $(DESTDIR)$(MANDIR)/man5/pccbpf.yaml.5
	install -D -m 0644 docs/examples/pccbpf.yaml $(DESTDIR)$(DOCDIR)/examples/pccbpf.yaml
	install -D -m 0644 $(BUILD)/pccbpf.service $(DESTDIR)$(UNITDIR)/pccbpf.service
	install -D -m 0644 packaging/networkd.conf $(DESTDIR)$(NETWDDIR)/pccbpf.conf
	install -D -m 0644 packaging/pccbpf.bash $(DESTDIR)$(COMPDIR)/pccbpf
	install -D -m 0644 packaging/pccbpf.zsh $(DESTDIR)$(ZSHDIR)/_pccbpf

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/pccbpf $(DESTDIR)$(MANDIR)/man8/pccbpf.8 $(DESTDIR)$(MANDIR)/man5/pccbpf.yaml.5 \
		$(DESTDIR)$(DOCDIR)/examples/pccbpf.yaml $(DESTDIR)$(UNITDIR)/pccbpf.service \
		$(DESTDIR)$(NETWDDIR)/pccbpf.conf $(DESTDIR)$(COMPDIR)/pccbpf $(DESTDIR)$(ZSHDIR)/_pccbpf

deps-all:
	@scripts/install-deps.sh --kernels

deps:
	@scripts/install-deps.sh

# The two commands of the README install first, then build with what was installed.
test: deps-all
	@$(MAKE) --no-print-directory check

check: all tools unit
	@tests/run.sh

# What is pure, without the machinery around it: for a build of the package.
check-unit: $(UNIT_BIN)
	@for test in $^; do $$test || exit 1; done

# Writes its tables into docs/TESTING.md where all kernels and cases were run.
test-kernels:
	@scripts/install-deps.sh --kernels
	@$(MAKE) --no-print-directory all tools unit
	@tests/kernels/run.sh $(if $(KERNELS)$(CASES),,--docs) $(CASES:%=--case %) $(KERNELS)

# Neither is part of "make test": they install whole systems below build/roots.
test-compilers:
	@scripts/install-deps.sh --portability
	@tests/portability/compilers.sh $(ROOTS)

test-arm64:
	@scripts/install-deps.sh --portability
	@tests/portability/arm64.sh $(CASES)

demo: deps
	@$(MAKE) --no-print-directory all tools
	@scripts/demo.sh

lint:
	@scripts/lint.sh

# For scripts/lint.sh, which compiles headers alone.
print-bpfflags:
	@echo '$(BPFFLAGS)'

deb:
	@scripts/deb.sh

test-system:
	@tests/system/run.sh

clean:
	rm -rf $(BUILD)

-include bench/bench.mk
-include $(wildcard $(BUILD)/user/*/*.d $(BUILD)/bpf/*.d $(BUILD)/tests/*.d $(BUILD)/*.d)
