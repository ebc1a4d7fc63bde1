// SPDX-License-Identifier: GPL-2.0-only
/* Reads the user's flowtables, and says which of our interfaces' packets they take. */
#include "kernel/flowtable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/netlink.h"

#define PPPOE_SESSIONS "/proc/net/pppoe"
#define DEVICE_PREFIX 2 /* NFTA_DEVICE_PREFIX, Linux 6.16: `devices = { eth* }` */
#define DEPTH_MAX 8	/* the most devices on top of each other */

/* ---- what the kernel has ---- */

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	default:
		return "inet";
	}
}

static const char *attr_text(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(attr);
}

static int add_device(struct pcc_flowtable_list *list, const struct pcc_flowtable *like,
	const struct nlattr *device)
{
	struct pcc_flowtable *v = reallocarray(list->v, list->n + 1, sizeof(*v));
	struct pcc_flowtable *to;

	if (!v)
		return -ENOMEM;
	list->v = v;
	to = &v[list->n++];
	*to = *like;
	to->prefix = mnl_attr_get_type(device) == DEVICE_PREFIX;
	snprintf(to->device, sizeof(to->device), "%.*s", (int)sizeof(to->device) - 1,
		attr_text(device));
	return 0;
}

static int add_devices(struct pcc_flowtable_list *list, const struct pcc_flowtable *like,
	const struct nlattr *hook)
{
	const struct nlattr *part, *device;

	mnl_attr_for_each_nested(part, hook)
	{
		if (mnl_attr_get_type(part) != NFTA_FLOWTABLE_HOOK_DEVS)
			continue;
		mnl_attr_for_each_nested(device, part)
		{
			if (add_device(list, like, device))
				return -ENOMEM;
		}
	}
	return 0;
}

static int on_flowtable(const struct nlmsghdr *nlh, void *arg)
{
	struct pcc_flowtable_list *list = arg;
	const char *table = "", *name = "";
	const struct nlattr *attr, *hook = NULL;
	struct pcc_flowtable like = {};
	uint32_t flags = 0;

	if (!nlh) {
		pcc_flowtable_list_free(list);
		return 0;
	}
	if (nlh->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWFLOWTABLE))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_FLOWTABLE_TABLE:
			table = attr_text(attr);
			break;
		case NFTA_FLOWTABLE_NAME:
			name = attr_text(attr);
			break;
		case NFTA_FLOWTABLE_HOOK:
			hook = attr;
			break;
		case NFTA_FLOWTABLE_FLAGS:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
				flags = ntohl(mnl_attr_get_u32(attr));
			break;
		}
	}
	snprintf(like.name, sizeof(like.name), "%s %.40s %.40s",
		family_name(((struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family), table,
		name);
	like.hardware = flags & NFT_FLOWTABLE_HW_OFFLOAD;
	like.counts = flags & NFT_FLOWTABLE_COUNTER;
	return hook ? add_devices(list, &like, hook) : 0;
}

int pcc_flowtable_dump(struct pcc_flowtable_list *list)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct pcc_nl nl = {0};
	struct nfgenmsg *nfg;
	int code;

	memset(list, 0, sizeof(*list));
	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETFLOWTABLE;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_UNSPEC;
	nfg->version = NFNETLINK_V0;
	code = pcc_nl_open(&nl, NETLINK_NETFILTER);
	if (!code)
		code = pcc_nl_dump(&nl, nlh, on_flowtable, list);
	pcc_nl_close(&nl);
	if (!code)
		return 0;
	pcc_flowtable_list_free(list);
	/* A kernel without nf_tables has no flowtables. */
	return code == -EINVAL || code == -EOPNOTSUPP || code == -EPROTONOSUPPORT ? 0 : code;
}

void pcc_flowtable_list_free(struct pcc_flowtable_list *list)
{
	free(list->v);
	memset(list, 0, sizeof(*list));
}

/* ---- what that means for an interface ---- */

/* Does a PPPoE session run on the device? /proc does not say which ppp device belongs to it. */
static bool has_pppoe(const char *device)
{
	char line[128], name[32];
	FILE *f = fopen(PPPOE_SESSIONS, "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %31s", name) == 1 && !strcmp(name, device);
	if (f)
		fclose(f);
	return found;
}

/*
 * Do packets of the link arrive on `device` before they reach the link? The kernel follows the path
 * of a connection down to such a device, and takes the connection's packets there if the device is
 * in the flowtable (nft_flow_offload.c, nft_dev_forward_path()).
 */
static bool is_below(const struct pcc_link_list *links, const struct pcc_link *link,
	const struct pcc_link *device, int depth)
{
	const struct pcc_link *lower;

	if (depth > DEPTH_MAX)
		return false;
	if (!strcmp(link->kind, "bridge")) {
		for (size_t i = 0; i < links->n; i++)
			if (links->v[i].master_ifindex == link->ifindex &&
				is_below(links, &links->v[i], device, depth + 1))
				return true;
		return false;
	}
	if (!strcmp(link->kind, "vlan")) {
		lower = pcc_link_numbered(links, link->lower_ifindex);
		return lower && is_below(links, lower, device, depth + 1);
	}
	if (!strcmp(link->kind, "ppp") && device != link)
		return has_pppoe(device->name);
	return depth && device == link;
}

static bool is_meant(const struct pcc_flowtable *t, const char *name)
{
	return t->prefix ? !strncmp(t->device, name, strlen(t->device)) : !strcmp(t->device, name);
}

/*
 * Sets *use if the flowtable takes packets of `link` at the device `at`, which is the link itself
 * or one below it. Unseen packets take precedence over those that we see.
 */
static bool use_at(const struct pcc_flowtable *t, const struct pcc_link_list *links,
	const struct pcc_link *link, const struct pcc_link *at, struct pcc_flowtable_use *use)
{
	bool below;

	if (!is_meant(t, at->name))
		return false;
	below = is_below(links, link, at, 0);
	if ((!below && at != link) || (use->table && (use->unseen || !(below || t->hardware))))
		return false;
	use->table = t;
	use->unseen = below || t->hardware;
	memcpy(use->device, at->name, sizeof(use->device));
	return true;
}

void pcc_flowtable_use_of(const struct pcc_flowtable_list *list, const struct pcc_link_list *links,
	uint32_t ifindex, struct pcc_flowtable_use *use)
{
	const struct pcc_link *link = pcc_link_numbered(links, ifindex);

	memset(use, 0, sizeof(*use));
	for (size_t i = 0; link && i < list->n; i++)
		for (size_t k = 0; k < links->n; k++)
			use_at(&list->v[i], links, link, &links->v[k], use);
}

void pcc_flowtable_text(const struct pcc_flowtable_use *use, const char *ifname,
	char text[PCC_FLOWTABLE_TEXT], char hint[PCC_FLOWTABLE_TEXT])
{
	text[0] = hint[0] = '\0';
	if (!use->table)
		return;
	if (!use->unseen) {
		snprintf(text, PCC_FLOWTABLE_TEXT,
			"the flowtable '%s' forwards what the fast path leaves; pccbpf sees and counts it",
			use->table->name);
		return;
	}
	if (!strcmp(use->device, ifname)) {
		snprintf(text, PCC_FLOWTABLE_TEXT,
			"the flowtable '%s' has established connections forwarded by the hardware, where "
			"pccbpf neither sees nor counts them",
			use->table->name);
		snprintf(hint, PCC_FLOWTABLE_TEXT, "without `flags offload` they are counted");
		return;
	}
	snprintf(text, PCC_FLOWTABLE_TEXT,
		"the flowtable '%s' takes established connections at %s, before pccbpf sees or counts "
		"them",
		use->table->name, use->device);
	snprintf(hint, PCC_FLOWTABLE_TEXT,
		"name %s in its devices in place of %s, or take it out: the fast path does the same",
		ifname, use->device);
}

/* ---- all interfaces ---- */

typedef void (*use_fn)(const struct pcc_flowtable_use *use, const char *ifname, void *arg);

/* Calls fn for each interface of cfg whose packets a flowtable takes. */
static void for_each_use(struct pcc_nl *nl, const struct pcc_config *cfg, use_fn fn, void *arg)
{
	struct pcc_flowtable_list list;
	struct pcc_link_list links = {};

	if (pcc_flowtable_dump(&list) || !list.n)
		return;
	if (pcc_link_dump(nl, &links, NULL)) {
		pcc_flowtable_list_free(&list);
		return;
	}
	for (uint32_t i = 0; i < cfg->nlans + cfg->nwans; i++) {
		bool lan = i < cfg->nlans;
		const struct pcc_wan_cfg *wan = lan ? NULL : &cfg->wans[i - cfg->nlans];
		struct pcc_flowtable_use use;

		pcc_flowtable_use_of(
			&list, &links, lan ? cfg->lans[i].ifindex : wan->ifindex, &use);
		if (use.table)
			fn(&use, lan ? cfg->lans[i].name : wan->name, arg);
	}
	pcc_link_list_free(&links);
	pcc_flowtable_list_free(&list);
}

static void warn_one(const struct pcc_flowtable_use *use, const char *ifname, void *arg)
{
	char text[PCC_FLOWTABLE_TEXT], hint[PCC_FLOWTABLE_TEXT];
	pcc_warn_fn warn = *(pcc_warn_fn *)arg;
	struct pcc_err w = {};

	if (!use->unseen)
		return;
	pcc_flowtable_text(use, ifname, text, hint);
	pcc_err_set(&w, 0, ifname, "%s", text);
	pcc_err_hint(&w, 0, "%s", hint);
	warn(&w);
}

void pcc_flowtable_warn(struct pcc_nl *nl, const struct pcc_config *cfg, pcc_warn_fn warn)
{
	if (warn)
		for_each_use(nl, cfg, warn_one, &warn);
}

struct summary {
	char *text;
	size_t size, used;
};

static void sum_one(const struct pcc_flowtable_use *use, const char *ifname, void *arg)
{
	struct summary *to = arg;
	int n;

	if (!use->unseen || to->used >= to->size)
		return;
	n = snprintf(to->text + to->used, to->size - to->used, "%s%s (at %s, '%s')",
		to->used ? ", " : "", ifname, use->device, use->table->name);
	to->used += n > 0 ? (size_t)n : 0;
}

void pcc_flowtable_summary(struct pcc_nl *nl, const struct pcc_config *cfg, char *text, size_t size)
{
	struct summary to = {.text = text, .size = size};

	text[0] = '\0';
	for_each_use(nl, cfg, sum_one, &to);
}
