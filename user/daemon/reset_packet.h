/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The packets that end a client's TCP connection in the name of the server. Pure. A client accepts
 * a reset only with the sequence number that it expects (RFC 5961, 3.2), which nobody has recorded.
 * But it tells that number when it gets a SYN, which it answers with an acknowledgement (RFC 5961,
 * 4.2).
 */
#ifndef PCC_RESET_PACKET_H
#define PCC_RESET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pccbpf.h"

#define PCC_RESET_BYTES 64u /* enough for any packet: IPv6 and TCP headers */

/*
 * Write a packet from the server (conn->dst) to the client (conn->src), starting with the IP
 * header. seq and ack are in host byte order. Return the length.
 */
size_t pcc_reset_syn(uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, uint32_t seq);
size_t pcc_reset_rst(
	uint8_t buf[PCC_RESET_BYTES], const struct pcc_tuple *conn, uint32_t seq, uint32_t ack);

/*
 * Is the packet a bare acknowledgement? Then *conn is its tuple as the client sends it, and seq and
 * ack are its numbers in host byte order. The packet starts with the IP header and may be cut after
 * the TCP header.
 */
bool pcc_reset_parse(
	const uint8_t *packet, size_t len, struct pcc_tuple *conn, uint32_t *seq, uint32_t *ack);

/*
 * Writes a classic BPF filter for a packet socket without link-layer header to insns. It accepts
 * acknowledgements from these TCP ports (network byte order). insns has room for
 * PCC_RESET_INSNS(n). Returns the number of instructions.
 */
struct sock_filter;
#define PCC_RESET_INSNS(n) (24u + 2u * (n))
size_t pcc_reset_filter(struct sock_filter *insns, const __be16 *ports, size_t n);

#endif
