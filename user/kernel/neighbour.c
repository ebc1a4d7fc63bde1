// SPDX-License-Identifier: GPL-2.0-only
/* Having the kernel resolve a neighbour, and reading the result, by rtnetlink. */
#include "kernel/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define POLL_MS 20

/* What RTM_GETNEIGH says of one neighbour. State 0 (NUD_NONE) also means "no entry". */
struct neigh_seen {
	uint16_t state;
};

static int on_neigh(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct neigh_seen *seen = arg;

	if (nlh->nlmsg_type == RTM_NEWNEIGH && mnl_nlmsg_get_payload_len(nlh) >= sizeof(*ndm))
		seen->state = ndm->ndm_state;
	return 0;
}

/* Builds a request about one neighbour in a buffer of PCC_NL_REQUEST_BYTES. */
static struct nlmsghdr *neigh_request(
	char *buf, uint16_t type, uint32_t ifindex, int family, const union pcc_ip *ip)
{
	struct nlmsghdr *nlh;
	struct ndmsg *ndm;

	memset(buf, 0, PCC_NL_REQUEST_BYTES);
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = (uint8_t)family;
	ndm->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, pcc_ip_bytes(family), ip->bytes);
	return nlh;
}

static int neigh_state(
	struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip, uint16_t *state)
{
	char buf[PCC_NL_REQUEST_BYTES];
	struct neigh_seen seen = {0};
	int err = pcc_nl_get(
		nl, neigh_request(buf, RTM_GETNEIGH, ifindex, family, ip), on_neigh, &seen);

	*state = seen.state;
	return err == -ENOENT ? 0 : err;
}

/*
 * Makes the kernel ask the neighbour now. An entry with a known address is set to NUD_PROBE, with
 * which the kernel asks at once (with NUD_STALE and NUD_DELAY it would wait for 5 s); without such
 * an entry NTF_USE starts the resolution.
 */
static int neigh_ask(
	struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip, uint16_t state)
{
	char buf[PCC_NL_REQUEST_BYTES];
	struct nlmsghdr *nlh = neigh_request(buf, RTM_NEWNEIGH, ifindex, family, ip);
	struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	if (state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)) {
		ndm->ndm_state = NUD_PROBE;
		nlh->nlmsg_flags = NLM_F_REPLACE;
	} else {
		ndm->ndm_flags = NTF_USE;
		nlh->nlmsg_flags = NLM_F_CREATE;
	}
	return pcc_nl_ack(nl, nlh);
}

int pcc_neigh_ask(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *ip)
{
	uint16_t state;

	neigh_state(nl, ifindex, family, ip, &state);
	if (state &
		(NUD_PERMANENT | NUD_NOARP)) /* entries that somebody has set stay as they are */
		return 0;
	return neigh_ask(nl, ifindex, family, ip, state);
}

int pcc_neigh_probe(struct pcc_nl *nl, uint32_t ifindex, int family, const union pcc_ip *gateway,
	unsigned int timeout_ms)
{
	const uint16_t good = NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP;
	uint64_t deadline = pcc_now_ms() + timeout_ms;
	char buf[PCC_NL_REQUEST_BYTES];
	uint16_t before, state;
	int err = neigh_state(nl, ifindex, family, gateway, &before);

	if (err)
		return err;
	state = before;
	if (!(state & (good | NUD_INCOMPLETE | NUD_PROBE))) {
		err = neigh_ask(nl, ifindex, family, gateway, state);
		if (err)
			return err;
	}
	for (;;) {
		err = neigh_state(nl, ifindex, family, gateway, &state);
		if (err)
			return err;
		if (state & good)
			return 0;
		if ((state & NUD_FAILED) || pcc_now_ms() >= deadline)
			break;
		usleep(POLL_MS * 1000);
	}
	if (!before)
		pcc_nl_ack(nl, neigh_request(buf, RTM_DELNEIGH, ifindex, family, gateway));
	return -EHOSTUNREACH;
}
