/* SPDX-License-Identifier: GPL-2.0-only */
/* Qdiscs and filters of tc, read by rtnetlink. */
#ifndef PCC_TC_H
#define PCC_TC_H

#include <stdint.h>

#include "kernel/netlink.h"

enum pcc_hook_dir { PCC_HOOK_IN = 0, PCC_HOOK_OUT = 1 };

/* The priority and handle of our filter in a clsact qdisc. */
#define PCC_TC_PRIORITY 28771 /* "pc" */
#define PCC_TC_HANDLE 1

/* Returns the id of the program in the filter with our priority and handle; 0 if there is none. */
uint32_t pcc_tc_filter_prog(uint32_t ifindex, enum pcc_hook_dir dir);

/*
 * Calls cb with every filter message of one side of an interface's clsact or ingress qdisc, like
 * pcc_nl_dump(). Returns 0 or a negative errno.
 */
int pcc_tc_filters_dump(uint32_t ifindex, enum pcc_hook_dir dir, pcc_nl_cb cb, void *arg);

/* Returns the number of filter messages at one side; -1 if the kernel does not tell. */
int pcc_tc_filters(uint32_t ifindex, enum pcc_hook_dir dir);

#define PCC_QDISC_KIND 32

/*
 * Writes the kind of the interface's qdisc at this parent (TC_H_ROOT, TC_H_INGRESS) to kind; "" if
 * there is none.
 */
void pcc_qdisc_kind(uint32_t ifindex, uint32_t parent, char kind[PCC_QDISC_KIND]);

#endif
