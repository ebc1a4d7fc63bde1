/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Netlink conversations: send a request, read its answer, and keep the kernel's explanation of an
 * error.
 */
#ifndef PCC_NETLINK_H
#define PCC_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/err.h"

/*
 * Bytes that are enough for any request of this program. The buffer must be all zeroes, because
 * libmnl does not clear the padding of attributes.
 */
#define PCC_NL_REQUEST_BYTES 1024

/*
 * A netlink socket in the network namespace of the thread that opened it. The empty value (all
 * zeroes) is a closed socket. Not to be used by two threads at once.
 */
struct pcc_nl {
	struct mnl_socket *sock;
	uint32_t portid;
	uint32_t seq;	  /* the sequence number of the last request */
	char *buf;	  /* the receive buffer, owned */
	size_t buf_bytes; /* the size of buf */
	char extack[192]; /* the kernel's explanation of the last failure; "": none */
};

/*
 * Called with every message of an answer. A negative return value ends the conversation and becomes
 * its result. If the kernel reports a dump as inconsistent, the dump is started again: the callback
 * is first called once with nlh == NULL and must forget what it has collected.
 */
typedef int (*pcc_nl_cb)(const struct nlmsghdr *nlh, void *arg);

/* Opens a socket of this netlink bus (NETLINK_ROUTE, NETLINK_NETFILTER). Returns 0 or -errno. */
int pcc_nl_open(struct pcc_nl *nl, int bus);

/* Closes the socket, frees the buffer and leaves the empty value. Accepts the empty value. */
void pcc_nl_close(struct pcc_nl *nl);

/*
 * Sends one request and waits for its acknowledgement. Sets NLM_F_REQUEST, NLM_F_ACK and the
 * sequence number in nlh. Returns 0 or the kernel's -errno; nl->extack then has the kernel's
 * explanation.
 */
int pcc_nl_ack(struct pcc_nl *nl, struct nlmsghdr *nlh);

/* Like pcc_nl_ack(), for requests that are answered with an object; cb is called with it. */
int pcc_nl_get(struct pcc_nl *nl, struct nlmsghdr *nlh, pcc_nl_cb cb, void *arg);

/*
 * Sends a dump request (NLM_F_DUMP is set here) and calls cb with every object. If the kernel says
 * that a change interrupted the dump (NLM_F_DUMP_INTR), it is started again, up to ten times; then
 * the result is -EINTR. Returns 0, the kernel's -errno or what cb returned.
 */
int pcc_nl_dump(struct pcc_nl *nl, struct nlmsghdr *nlh, pcc_nl_cb cb, void *arg);

/*
 * Sends a batch of complete messages (only the sequence numbers are set here) and waits for the
 * acknowledgement of the last one. Only the last one must have NLM_F_ACK. An error equal to ignore
 * is not counted as a failure. Returns 0 or the first other -errno.
 */
int pcc_nl_batch(struct pcc_nl *nl, void *messages, size_t bytes, int ignore);

/*
 * Returns the kernel's explanation of the last failure, or else strerror() of err (a negative
 * errno).
 */
const char *pcc_nl_reason(const struct pcc_nl *nl, int err);

/*
 * Turns the result `code` of a dump of `what` into a return value: 0 for success and for a family
 * that the kernel does not have; else code, with err filled.
 */
int pcc_nl_listed(const struct pcc_nl *nl, int code, const char *what, struct pcc_err *err);

/*
 * Read the value of an attribute. If its length is wrong they return false and leave the value
 * alone.
 */
bool pcc_attr_u32(const struct nlattr *attr, uint32_t *value);
bool pcc_attr_u8(const struct nlattr *attr, uint8_t *value);
bool pcc_attr_ip(const struct nlattr *attr, int family, union pcc_ip *ip);

/* Copies the name of an interface, cut to the size of name. */
void pcc_attr_name(const struct nlattr *attr, char name[PCC_IFNAMSIZ]);

#endif
