#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# With NetworkManager instead of networkd; then without pccbpf.
# shellcheck source=tests/system/lib.sh
. /checkout/tests/system/lib.sh

t_begin 'the router balances after a boot with NetworkManager'
wait_for 150 service_is active || t_bail 'the service does not become active'
t_assert 'both WANs are up' wait_for 90 wans_up wan1 wan2
echo "     forwarding of IPv6: all $(sysctl -n net.ipv6.conf.all.forwarding), lan0 $(sysctl -n net.ipv6.conf.lan0.forwarding)"
balanced 'after the boot'
t_ok

t_begin 'the restart of NetworkManager moves no connection'
our_routes >/run/before
traffic_start
systemctl restart NetworkManager || t_fail 'systemctl restart NetworkManager'
t_assert 'both WANs are up' wait_for 30 wans_up wan1 wan2
t_assert 'rules and routes' wait_for 10 same_routes /run/before
traffic_stop NetworkManager
t_ok

t_begin 'what is removed takes back all that it has put into the kernel, and keeps its configuration'
cp "$CONFIG" /run/config
apt-get remove -qq -y pccbpf >/run/apt.log 2>&1 || t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
t_assert 'the kernel is as it was before the package' same_ours "$STATE/ours.before"
t_assert 'the configuration is there' cmp -s "$CONFIG" /run/config
t_assert 'no runtime directory' [ ! -e /run/pccbpf ]
t_assert 'no process' bash -c '! pgrep -x pccbpf'
t_ok

t_begin 'installed again, it starts with what it kept'
apt-get install -qq -y /control/old.deb >/run/apt.log 2>&1 || t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
t_assert 'the service becomes active' wait_for 90 service_is active
t_assert 'both WANs are up' wait_for 20 wans_up wan1 wan2
balanced 'installed again'
t_ok

t_begin 'purge leaves no trace, of files or in the kernel'
apt-get purge -qq -y --autoremove pccbpf >/run/apt.log 2>&1 || t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
t_assert 'the kernel is as it was before the package' same_ours "$STATE/ours.before"
left=$(diff "$STATE/files.before" <(files) | grep '^[<>]')
t_assert_eq "$left" '' 'files that came or went'
t_ok
