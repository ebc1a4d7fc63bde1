/* SPDX-License-Identifier: GPL-2.0-only */
/* What every program includes first. */
#ifndef PCC_COMMON_BPF_H
#define PCC_COMMON_BPF_H

#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

#include "pccbpf.h"
#include "pccbpf_hash.h"
#include "pccbpf_flow.h"

/* Constants that are macros in the kernel. */
#define PCC_ETH_P_IP 0x0800
#define PCC_ETH_P_IPV6 0x86dd
#define PCC_ETH_P_8021Q 0x8100
#define PCC_ETH_P_8021AD 0x88a8
#define PCC_ETH_P_PPP_SES 0x8864
#define PCC_PPP_IP 0x0021
#define PCC_PPP_IPV6 0x0057
#define PCC_AF_INET 2
#define PCC_AF_INET6 10
#define PCC_PACKET_OTHERHOST 3
#define PCC_EEXIST 17

/*
 * Verdicts in tc. TC_ACT_UNSPEC and TCX_NEXT have the same value: programs of others run after
 * ours.
 */
#define PCC_NEXT (-1)
/*
 * TC_ACT_SHOT and TCX_DROP: only for packets that the kernel or the ISP would drop, and for what a
 * policy rejects.
 */
#define PCC_DROP 2

#endif
