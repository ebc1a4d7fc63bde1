#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On a fresh system: apt install, three lines of configuration.
# shellcheck source=tests/system/lib.sh
. /checkout/tests/system/lib.sh

files >"$STATE/files.before"
ours >"$STATE/ours.before"

t_begin 'apt installs the package'
apt-get install -qq -y /control/old.deb >/run/apt.log 2>&1 || t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
t_assert_eq "$(pccbpf version 2>&1)" 'pccbpf 0.1.0' version
t_ok

t_begin 'the service is enabled, and waits for a configuration without having failed'
t_assert_eq "$(systemctl is-enabled pccbpf)" enabled 'is-enabled'
t_assert_eq "$(service ActiveState) $(service Result)" 'inactive success' 'state'
t_assert 'nothing is attached' cmp -s "$STATE/ours.before" <(ours)
t_ok

t_begin 'manual pages, completion, examples and the drop-in for networkd are where they are looked for'
t_assert 'man 8 pccbpf' man -w 8 pccbpf >/dev/null
t_assert 'man 5 pccbpf.yaml' man -w 5 pccbpf.yaml >/dev/null
t_assert 'the configuration of the package is right' pccbpf check /etc/pccbpf/pccbpf.yaml.example >/dev/null
t_assert 'the example is right' pccbpf check /usr/share/doc/pccbpf/examples/pccbpf.yaml >/dev/null
t_assert_eq "$(systemd-analyze cat-config systemd/networkd.conf | grep -c '^ManageForeignRout.*=no')" 2 'lines for networkd'
t_assert_eq "$(complete_for attach --sch)" --scheme 'completion of an option'
t_assert_eq "$(systemd-analyze verify pccbpf.service 2>&1)" '' 'systemd-analyze verify'
t_ok

cat >"$CONFIG" <<-END
	lan: [lan0]
	wans: [{interface: wan1},
	       {interface: wan2}]
END
