#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# After a reboot: balanced without a hand; then what people and other software do to a service.
# shellcheck source=tests/system/lib.sh
. /checkout/tests/system/lib.sh

t_begin 'the router balances after a reboot, without a hand'
t_assert_eq "$(</run/state)" running 'state of the system'
wait_for 150 service_is active || t_bail 'the service does not become active'
t_assert 'both WANs are up' wait_for 60 wans_up wan1 wan2
balanced 'after the boot'
t_assert_eq "$(pccbpf status --json | jq -c '[.lan[], .wans[]] | map(.fastpath) | unique')" '["tc"]' 'fast path'
t_ok

t_begin 'systemd is told: ready, how many WANs are in use, and that it is alive'
t_assert_eq "$(service Type) $(service StatusText)" 'notify 2 of 2 WANs in use' 'type, status'
t_assert_eq "$(service WatchdogUSec)" 10s watchdog
t_ok

t_begin 'restart and kill move no connection'
traffic_start
systemctl restart pccbpf || t_fail 'systemctl restart'
t_assert 'active after the restart' service_is active
kill -KILL "$(service MainPID)"
t_assert 'another one after a kill' wait_for 60 restarted 1
traffic_stop 'restart and kill'
t_ok

t_begin 'a daemon that hangs is ended by the watchdog and started again, and no connection notices'
traffic_start
kill -STOP "$(service MainPID)"
t_assert 'another one' wait_for 90 restarted 2
traffic_stop watchdog
t_ok

t_begin 'reload takes what is new in the file'
cp "$CONFIG" /run/config
sed -i 's/interface: wan2/interface: wan2, weight: 3/' "$CONFIG"
systemctl reload pccbpf || t_fail 'systemctl reload'
t_assert 'the weight is in force' wait_for 20 weight_is wan2 3
cp /run/config "$CONFIG"
systemctl reload pccbpf || t_fail 'systemctl reload'
t_assert 'the weight is in force' wait_for 20 weight_is wan2 1
t_ok

t_begin 'reload of a wrong file fails, says where, and everything stays as it is'
pid=$(service MainPID)
our_routes >/run/before
sed -i 's/interface: wan2/interfase: wan2/' "$CONFIG"
since=$(date +%s)
systemctl reload pccbpf 2>/dev/null && t_fail 'systemctl says that it is fine'
t_assert_eq "$(service ActiveState) $(service MainPID)" "active $pid" 'the service'
t_assert 'line and column are in the journal' \
	wait_for 5 bash -c "journalctl -u pccbpf --since=@$since -o cat | grep -q 'pccbpf.yaml:3:.*interfase'"
t_assert 'rules and routes are what they were' cmp -s /run/before <(our_routes)
cp /run/config "$CONFIG"
t_ok

t_begin 'the restart of nftables flushes the rule set; the table is back at once'
traffic_start
systemctl restart nftables || t_fail 'systemctl restart nftables'
t_assert 'table inet pccbpf' wait_for 3 nft list table inet pccbpf
balanced 'after the flush'
traffic_stop_gap 'nftables.service' 3000
t_ok

t_begin 'the restart of systemd-networkd takes no rule and no route'
traffic_start
our_routes >/run/before
ip -o monitor rule route address >/run/monitor 2>&1 &
monitor=$!
systemctl restart systemd-networkd || t_fail 'systemctl restart systemd-networkd'
t_assert 'networkd has all links' wait_for 60 networkd_done
t_assert 'both WANs are up' wait_for 20 wans_up wan1 wan2
t_assert 'rules and routes' wait_for 5 cmp -s /run/before <(our_routes)
kill "$monitor"
t_assert_eq "$(grep '^Deleted' /run/monitor | grep -E 'fwmark|suppress_prefixlength|proto 172|lookup 1[0-9][0-9]')" '' 'of ours deleted'
traffic_stop 'networkd'
[[ $T_STATE != failed ]] || grep -E '^Deleted.* inet' /run/monitor | sed 's/^/     /'
t_ok

t_begin 'networkctl reload and reconfigure: what goes with the address is back with it'
networkctl reload
networkctl reconfigure wan1 wan2
t_assert 'networkd has all links' wait_for 60 networkd_done
t_assert 'both WANs are up' wait_for 20 wans_up wan1 wan2
t_assert 'rules and routes' wait_for 10 same_routes /run/before
balanced 'after it'
t_ok

t_begin 'NetworkManager comes and goes beside it'
our_routes >/run/before
traffic_start
systemctl start NetworkManager || t_fail 'systemctl start NetworkManager'
systemctl restart NetworkManager
systemctl stop NetworkManager
t_assert 'rules and routes' same_routes /run/before
traffic_stop NetworkManager
t_ok

printf 'wan1 100\ndhcp 90\n' >/etc/pcc-late
