#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh [STAGE...]: what run.sh has the virtual machine do. One stage a boot; where it has come to survives on the
# disk. Each stage needs what the one before it has done.
set -u
STATE=/var/lib/pcc-system
STAGES=("$@")
((${#STAGES[@]})) || STAGES=(install show boot late networkmanager)

mkdir -p $STATE
n=$(cat $STATE/stage 2>/dev/null || echo 0)
echo $((n + 1)) >$STATE/stage
echo "-- ${STAGES[n]}"
# A machine that has come up without a hand: nobody waits for it but this.
timeout 300 systemctl is-system-running --wait >/run/state
bash "/checkout/tests/system/stage_${STAGES[n]}.sh" || {
	journalctl -b -u pccbpf -n 100 --no-pager -o short-monotonic
	systemctl --failed --no-pager
	ip -br address
	ip route
	ip -6 route
	pccbpf status
}
((n + 1 == ${#STAGES[@]})) && exit 0
exit 250
