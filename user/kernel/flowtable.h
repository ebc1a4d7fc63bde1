/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flowtables of nftables (`flow add @ft`), the user's own: the kernel's fast path for established
 * connections. Its hook stands behind tc's at ingress (kernel net/core/dev.c, sch_handle_ingress()
 * before nf_ingress()), so that pccbpf sees what arrives on a device that is in a flowtable. It
 * does not where the device below is in it: the port of a bridge, what a VLAN or a PPPoE session
 * runs on.
 */
#ifndef PCC_FLOWTABLE_H
#define PCC_FLOWTABLE_H

#include "base/err.h"
#include "kernel/link.h"
#include "model/model.h"

#define PCC_FLOWTABLE_NAME 96
#define PCC_FLOWTABLE_TEXT 256

/* One device of a flowtable. */
struct pcc_flowtable {
	char name[PCC_FLOWTABLE_NAME]; /* family, table and name, as nft has them */
	char device[PCC_IFNAMSIZ];
	bool prefix;   /* device is the beginning of names */
	bool hardware; /* `flags offload`: the driver forwards where it can */
	bool counts;   /* `counter`: conntrack counts what it forwards */
};

/* All of them. The empty value is all zeroes. */
struct pcc_flowtable_list {
	struct pcc_flowtable *v;
	size_t n;
};

/* Reads the flowtables of this network namespace; none where the kernel has none. 0 or -errno. */
int pcc_flowtable_dump(struct pcc_flowtable_list *list);
void pcc_flowtable_list_free(struct pcc_flowtable_list *list);

/* What a flowtable means for an interface of ours. */
struct pcc_flowtable_use {
	const struct pcc_flowtable *table; /* NULL: none */
	char device[PCC_IFNAMSIZ];	   /* where it takes packets: the interface, or one below */
	bool unseen;			   /* what it takes there never comes to our programs */
};

/*
 * The flowtable that takes packets of the interface; one that takes them unseen before others.
 * Pure, but for PPPoE, where the device below is looked up in /proc.
 */
void pcc_flowtable_use_of(const struct pcc_flowtable_list *list, const struct pcc_link_list *links,
	uint32_t ifindex, struct pcc_flowtable_use *use);

/* What to say of it, in a sentence without its end, and what helps ("": nothing has to be done). */
void pcc_flowtable_text(const struct pcc_flowtable_use *use, const char *ifname,
	char text[PCC_FLOWTABLE_TEXT], char hint[PCC_FLOWTABLE_TEXT]);

/* Warns of each interface of cfg where a flowtable takes packets that pccbpf does not see. */
void pcc_flowtable_warn(struct pcc_nl *nl, const struct pcc_config *cfg, pcc_warn_fn warn);

/*
 * The same in one text, for the daemon: "" where there is nothing to say. Cut to the buffer.
 */
void pcc_flowtable_summary(
	struct pcc_nl *nl, const struct pcc_config *cfg, char *text, size_t size);

#endif
