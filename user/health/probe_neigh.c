// SPDX-License-Identifier: GPL-2.0-only
#include "health/probe_neigh.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdbool.h>

static struct nlmsghdr *put_neigh(
	char *buf, uint32_t ifindex, int family, const void *address, uint16_t state, uint8_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(nlh, sizeof(*nd));

	nd->ndm_family = family;
	nd->ndm_ifindex = (int)ifindex;
	nd->ndm_state = state;
	nd->ndm_flags = flags;
	mnl_attr_put(nlh, NDA_DST,
		family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr), address);
	return nlh;
}

static int neigh_set(struct pcc_nl *nl, uint32_t ifindex, int family, const void *address,
	uint16_t how, uint16_t state, uint8_t flags)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = put_neigh(buf, ifindex, family, address, state, flags);

	nlh->nlmsg_type = RTM_NEWNEIGH;
	nlh->nlmsg_flags = how;
	return pcc_nl_ack(nl, nlh);
}

struct neigh_entry {
	bool found;
	uint16_t state;
};

static int neigh_read(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(nlh);
	struct neigh_entry *e = arg;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || mnl_nlmsg_get_payload_len(nlh) < sizeof(*nd))
		return 0;
	e->found = true;
	e->state = nd->ndm_state;
	return 0;
}

static void neigh_get(
	struct pcc_nl *nl, uint32_t ifindex, int family, const void *address, struct neigh_entry *e)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = put_neigh(buf, ifindex, family, address, NUD_NONE, 0);

	nlh->nlmsg_type = RTM_GETNEIGH;
	*e = (struct neigh_entry){};
	pcc_nl_get(nl, nlh, neigh_read, e);
}

int pcc_neigh_ask(struct pcc_nl *nl, uint32_t ifindex, int family, const void *address)
{
	struct neigh_entry e;

	neigh_get(nl, ifindex, family, address, &e);
	/* What somebody has set stays. */
	if (e.found && e.state & (NUD_PERMANENT | NUD_NOARP))
		return 0;
	/* An entry with an address is doubted, which has the kernel ask that address. */
	if (e.found && e.state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE))
		return neigh_set(nl, ifindex, family, address, NLM_F_REPLACE, NUD_PROBE, 0);
	/* No entry, or one without: as if a packet were to be sent. */
	return neigh_set(nl, ifindex, family, address, NLM_F_CREATE, NUD_NONE, NTF_USE);
}
