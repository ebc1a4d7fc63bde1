/* SPDX-License-Identifier: GPL-2.0-only */
/* Qdiscs and filters of tc, read through rtnetlink. */
#ifndef PCC_TC_H
#define PCC_TC_H

#include <stdint.h>

#include "kernel/netlink.h"

enum pcc_hook_dir { PCC_HOOK_IN = 0, PCC_HOOK_OUT = 1 };

/* Our place among the filters of a clsact qdisc. */
#define PCC_TC_PRIORITY 28771 /* "pc" */
#define PCC_TC_HANDLE 1

/* Id of the program of the filter that has our place; 0 where there is none. */
uint32_t pcc_tc_filter_prog(uint32_t ifindex, enum pcc_hook_dir dir);

/*
 * Passes every filter message of one side of an interface's clsact or ingress qdisc to cb, as
 * pcc_nl_dump() does. 0 or a negative errno.
 */
int pcc_tc_filters_dump(uint32_t ifindex, enum pcc_hook_dir dir, pcc_nl_cb cb, void *arg);

/* Number of filter messages at one side; -1 where it cannot be asked. */
int pcc_tc_filters(uint32_t ifindex, enum pcc_hook_dir dir);

#define PCC_QDISC_KIND 32

/* The kind of the interface's qdisc at that parent (TC_H_ROOT, TC_H_INGRESS); "" where there is
 * none. */
void pcc_qdisc_kind(uint32_t ifindex, uint32_t parent, char kind[PCC_QDISC_KIND]);

#endif
