/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packets that end a client's TCP connection in the server's name. Pure. A reset counts only
 * with the sequence number that the client expects (RFC 5961, 3.2), which nobody has written down;
 * but a SYN has the client say it: it answers with an acknowledgement (RFC 5961, 4.2).
 */
#ifndef PCC_RESET_PACKET_H
#define PCC_RESET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pccbpf.h"

#define PCC_RESET_BYTES 64u /* room for any packet: IPv6 and TCP headers */

/*
 * From the server (conn->dst) to the client (conn->src), starting at the IP header. seq, ack in
 * host order. Return the length.
 */
size_t pcc_reset_syn(uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, uint32_t seq);
size_t pcc_reset_rst(
	uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, uint32_t seq, uint32_t ack);

/*
 * Is it a bare acknowledgement? Then its tuple, as the client sends it, and its numbers in host
 * order. The packet starts at the IP header and may be cut behind the TCP header.
 */
bool pcc_reset_parse(
	const uint8_t *packet, size_t len, struct pcc_tuple *conn, uint32_t *seq, uint32_t *ack);

/*
 * A filter for a packet socket without link-layer header (classic BPF): acknowledgements from these
 * TCP ports (network order). insns has room for PCC_RESET_INSNS(n); returns their number.
 */
struct sock_filter;
#define PCC_RESET_INSNS(n) (24u + 2u * (n))
size_t pcc_reset_filter(struct sock_filter *insns, const __be16 *ports, size_t n);

#endif
