#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What comes late at boot; then another version, and back.
# shellcheck source=tests/system/lib.sh
. /checkout/tests/system/lib.sh

t_begin 'a WAN whose card, and one whose address comes after the boot are used as soon as they are there'
wait_for 150 service_is active || t_bail 'the service does not become active'
early=$(ip -br address show up)
t_assert 'both WANs are up' wait_for 180 wans_up wan1 wan2
t_assert_eq "$(grep -c '^wan1\|198.18.2.50' <<<"$early")" 0 'what was to be late, when the service was active'
balanced 'when all are there'
t_assert_eq "$(service NRestarts)" 0 'restarts'
t_ok
rm /etc/pcc-late

t_begin 'an upgrade under load to a build with other programs loses no packet of what is established'
id=$(programs)
traffic_start
apt-get install -qq -y /control/new.deb >/run/apt.log 2>&1 || t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
t_assert_eq "$(pccbpf version)" 'pccbpf 0.1.1' version
t_assert 'the service is active' wait_for 90 service_is active
t_assert 'the programs are other ones' [ "$id" != "$(programs)" ]
traffic_stop upgrade
balanced 'after the upgrade'
t_ok

t_begin 'so does a downgrade'
id=$(programs)
traffic_start
apt-get install -qq -y --allow-downgrades /control/old.deb >/run/apt.log 2>&1 ||
	t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
t_assert_eq "$(pccbpf version)" 'pccbpf 0.1.0' version
t_assert 'the service is active' wait_for 90 service_is active
t_assert 'the programs are other ones' [ "$id" != "$(programs)" ]
traffic_stop downgrade
balanced 'after the downgrade'
t_ok

t_begin 'after an upgrade to a version whose maps are other ones, and after the way back, it balances without a hand'
for package in abi old; do
	apt-get install -qq -y --allow-downgrades /control/$package.deb >/run/apt.log 2>&1 ||
		t_fail "apt: $(tail -n 5 /run/apt.log | paste -sd'|')"
	t_assert 'the service is active' wait_for 90 service_is active
	t_assert 'both WANs are up' wait_for 20 wans_up wan1 wan2
	balanced "after $package"
done
t_ok

# The next boot is NetworkManager's.
systemctl --quiet disable systemd-networkd.service systemd-networkd.socket
systemctl --quiet enable NetworkManager
cat >/etc/NetworkManager/conf.d/veth.conf <<-END
	[device-veth]
	match-device=interface-name:lan0,interface-name:wan*
	managed=1
END
profile() { # NAME IPV4 IPV6
	cat >"/etc/NetworkManager/system-connections/$1.nmconnection" <<-END
		[connection]
		id=$1
		type=ethernet
		interface-name=$1

		[ipv4]
		$2

		[ipv6]
		$3
	END
	chmod 600 "/etc/NetworkManager/system-connections/$1.nmconnection"
}
profile lan0 $'method=manual\naddress1=192.168.77.1/24' $'method=manual\naddress1=fd77::1/64'
profile wan1 $'method=manual\naddress1=198.18.1.2/24,198.18.1.1' $'method=manual\naddress1=2001:db8:1::2/64,2001:db8:1::1'
profile wan2 'method=auto' $'method=manual\naddress1=2001:db8:2::2/64,2001:db8:2::1'
