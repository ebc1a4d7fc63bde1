// SPDX-License-Identifier: GPL-2.0-only
/* Writes single entries of the maps: interfaces and their flags, the wires that XDP sends on. */
#include "pins/dataplane.h"

#include <bpf/bpf.h>
#include <errno.h>

int pcc_dp_map_set(struct pcc_dp *dp, enum pcc_map map, const void *key, const void *value)
{
	return bpf_map_update_elem(dp->map_fd[map], key, value, BPF_ANY) ? -errno : 0;
}

void pcc_dp_wire_ports(struct pcc_dp *dp, uint32_t carrier_ifindex, bool on)
{
	uint32_t key, *prev = NULL;
	struct pcc_wire_out out;

	while (!bpf_map_get_next_key(dp->map_fd[PCC_MAP_WIRE_OUT], prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_WIRE_OUT], &key, &out) ||
			out.wire.ifindex != carrier_ifindex)
			continue;
		if (on)
			bpf_map_update_elem(
				dp->map_fd[PCC_MAP_XDP_PORTS], &key, &carrier_ifindex, BPF_ANY);
		else
			bpf_map_delete_elem(dp->map_fd[PCC_MAP_XDP_PORTS], &key);
	}
}

int pcc_dp_iface_flag(struct pcc_dp *dp, uint32_t ifindex, uint8_t flag)
{
	struct pcc_iface iface = {};

	bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &iface);
	iface.flags |= flag;
	return pcc_dp_map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
}

bool pcc_dp_iface_has(struct pcc_dp *dp, uint32_t ifindex, uint8_t flag)
{
	struct pcc_iface iface;

	return !bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &iface) &&
	       iface.flags & flag;
}

void pcc_dp_iface_qdisc_gone(struct pcc_dp *dp, uint32_t ifindex)
{
	struct pcc_iface iface;

	if (bpf_map_lookup_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex, &iface))
		return;
	iface.flags &= ~PCC_IFACE_QDISC_MADE;
	if (iface.role)
		pcc_dp_map_set(dp, PCC_MAP_IFACES, &ifindex, &iface);
	else
		bpf_map_delete_elem(dp->map_fd[PCC_MAP_IFACES], &ifindex);
}
