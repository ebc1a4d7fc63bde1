/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink conversations: send one request, read its answer, keep the kernel's own explanation. */
#ifndef PCC_NETLINK_H
#define PCC_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"

/*
 * Room for any request that this program builds. Start from zeroes: libmnl leaves the padding of
 * attributes as it finds it.
 */
#define PCC_NL_REQUEST_BYTES 1024

/*
 * A netlink socket in the network namespace of the thread that opened it. The empty value (all
 * zeroes) is closed; pcc_nl_close() accepts it. Not for use by two threads at once.
 */
struct pcc_nl {
	struct mnl_socket *sock;
	uint32_t portid;
	uint32_t seq;	  /* of the last request */
	char *buf;	  /* receive buffer, owned */
	size_t buf_bytes; /* its size */
	char extack[192]; /* what the kernel said of the last failed request; "" if nothing */
};

/*
 * Called for every message of an answer; a negative return value ends the conversation and becomes
 * its result. A dump that the kernel reports as inconsistent is started again: the callback is
 * then called once with nlh == NULL and must forget what it has collected.
 */
typedef int (*pcc_nl_cb)(const struct nlmsghdr *nlh, void *arg);

/* Opens a socket of that netlink bus (NETLINK_ROUTE, NETLINK_NETFILTER). 0 or -errno. */
int pcc_nl_open(struct pcc_nl *nl, int bus);

/* Closes the socket, frees the buffer, leaves the empty value. */
void pcc_nl_close(struct pcc_nl *nl);

/*
 * Sends one request and waits for its acknowledgement. Sets NLM_F_REQUEST, NLM_F_ACK, the sequence
 * number in nlh. Returns 0 or the kernel's -errno; nl->extack then holds the kernel's text.
 */
int pcc_nl_ack(struct pcc_nl *nl, struct nlmsghdr *nlh);

/* Like pcc_nl_ack(), for requests that are answered with an object: cb sees the answer. */
int pcc_nl_get(struct pcc_nl *nl, struct nlmsghdr *nlh, pcc_nl_cb cb, void *arg);

/*
 * Sends a dump request (NLM_F_DUMP is set here) and passes every object to cb. Starts again, up to
 * ten times, while the kernel says that the dump was interrupted by a change (NLM_F_DUMP_INTR),
 * then gives up with -EINTR. Returns 0, the kernel's -errno or what cb returned.
 */
int pcc_nl_dump(struct pcc_nl *nl, struct nlmsghdr *nlh, pcc_nl_cb cb, void *arg);

/*
 * Sends a batch of ready-made messages (sequence numbers set here) that ask for no acknowledgement,
 * except the last one which must carry NLM_F_ACK, and waits for that. Refusals with -ignore are not
 * counted as failures. Returns 0 or the first other -errno.
 */
int pcc_nl_batch(struct pcc_nl *nl, void *messages, size_t bytes, int ignore);

/* The kernel's explanation of the last failure, else strerror() of err (a negative errno). */
const char *pcc_nl_reason(const struct pcc_nl *nl, int err);

/*
 * The end of a dump of `what` that gave code: 0, also where it is of a family that the kernel does
 * not have; else code, with err filled.
 */
int pcc_nl_listed(const struct pcc_nl *nl, int code, const char *what, struct pcc_err *err);

/* The value of an attribute. False, and the value is as it was, where the length is wrong. */
bool pcc_attr_u32(const struct nlattr *attr, uint32_t *value);
bool pcc_attr_u8(const struct nlattr *attr, uint8_t *value);
bool pcc_attr_ip(const struct nlattr *attr, int family, union pcc_ip *ip);

/* The name of an interface, cut where it is too long. */
void pcc_attr_name(const struct nlattr *attr, char name[PCC_IFNAMSIZ]);

#endif
