/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user's own flowtables of nftables (`flow add @ft`): the kernel's fast path for established
 * connections. At ingress tc's hook comes before that of a flowtable (kernel net/core/dev.c,
 * sch_handle_ingress() before nf_ingress()), so pccbpf sees what arrives on a device that is in a
 * flowtable. It does not see the packets if the device below is in the flowtable: the port of a
 * bridge, or the device that a VLAN or a PPPoE session runs on.
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
	char name[PCC_FLOWTABLE_NAME]; /* family, table and name, as nft prints them */
	char device[PCC_IFNAMSIZ];
	bool prefix;   /* device is a prefix of device names */
	bool hardware; /* `flags offload`: the hardware forwards if it can */
	bool counts;   /* `counter`: conntrack counts the packets it forwards */
};

/* A list of flowtable devices. The empty value is all zeroes. */
struct pcc_flowtable_list {
	struct pcc_flowtable *v;
	size_t n;
};

/*
 * Reads the flowtables of this network namespace. A kernel without flowtables has none, which is no
 * error. Returns 0 or -errno.
 */
int pcc_flowtable_dump(struct pcc_flowtable_list *list);
void pcc_flowtable_list_free(struct pcc_flowtable_list *list);

/* What a flowtable means for an interface of ours. */
struct pcc_flowtable_use {
	const struct pcc_flowtable *table; /* NULL: no flowtable takes its packets */
	/* The device where the flowtable takes packets: the interface, or one below. */
	char device[PCC_IFNAMSIZ];
	bool unseen; /* our programs do not see the packets that it takes there */
};

/*
 * Finds the flowtable that takes packets of the interface; one that takes packets unseen has
 * precedence. Pure, except that for PPPoE the device below is looked up in /proc.
 */
void pcc_flowtable_use_of(const struct pcc_flowtable_list *list, const struct pcc_link_list *links,
	uint32_t ifindex, struct pcc_flowtable_use *use);

/*
 * Writes a sentence about the use (without a full stop) to text, and what helps to hint ("":
 * nothing has to be done).
 */
void pcc_flowtable_text(const struct pcc_flowtable_use *use, const char *ifname,
	char text[PCC_FLOWTABLE_TEXT], char hint[PCC_FLOWTABLE_TEXT]);

/* Warns of each interface of cfg of which a flowtable takes packets that pccbpf does not see. */
void pcc_flowtable_warn(struct pcc_nl *nl, const struct pcc_config *cfg, pcc_warn_fn warn);

/*
 * Writes the same warnings as one text for the daemon; "" if there is none. Cut to the size of the
 * buffer.
 */
void pcc_flowtable_summary(
	struct pcc_nl *nl, const struct pcc_config *cfg, char *text, size_t size);

#endif
