/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conversion of text to the model and back. Pure: no kernel, no printing.
 *
 * The parsers return 0, or -EINVAL with err filled: it quotes the bad word and says what is
 * allowed. `object` is what the error is about, an option for instance. On an error the output
 * parameters are unchanged.
 */
#ifndef PCC_PARSE_H
#define PCC_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/model.h"

#define PCC_N_CLASSIFIERS 9u
#define PCC_N_SCHEMES 2u
#define PCC_N_FASTPATHS 4u
#define PCC_N_STATES 4u
#define PCC_N_ORIGINS 2u
#define PCC_PROTO_NAME_MAX 12u /* with the terminating 0 */

enum pcc_number_base { PCC_DECIMAL, PCC_DECIMAL_OR_HEX /* 0x1f */ };

/* An address (v4-mapped for IPv4, RFC 4291, 2.5.5.2) and possibly a port (host byte order). */
struct pcc_endpoint {
	struct pcc_addr addr;
	enum pcc_family family;
	bool has_port;
	uint16_t port;
};

/* A prefix: address and length (0..32 or 0..128). The bits after the prefix are 0. */
struct pcc_prefix {
	struct pcc_addr addr; /* v4-mapped for IPv4 */
	enum pcc_family family;
	uint8_t len;
};

/* A number in min..max. The whole word must be the number. */
int pcc_parse_u32(const char *word, const char *object, enum pcc_number_base base, uint32_t min,
	uint32_t max, uint32_t *out, struct pcc_err *err);

/*
 * One of names[0..n): *out is its index. NULL entries cannot be chosen. The error for an unknown
 * word is "did you mean" if it resembles a name, else the list of what is allowed.
 */
int pcc_parse_keyword(const char *word, const char *object, const char *const *names, uint32_t n,
	uint32_t *out, struct pcc_err *err);

/*
 * Splits a list `a,b,c` and passes each word to item(), which returns 0, or a negative errno that
 * ends the loop and is returned. An empty list or an empty word is an error.
 */
int pcc_parse_list(const char *text, const char *object,
	int (*item)(const char *word, void *ctx, struct pcc_err *err), void *ctx,
	struct pcc_err *err);

/*
 * An interface name that the kernel accepts (dev_valid_name() in net/core/dev.c): 1..15 characters,
 * no blank, '/' or ':', not "." or "..". Quotes, control characters, and the separators '@', ','
 * and '*' are refused too.
 */
int pcc_parse_ifname(
	const char *word, const char *object, char name[PCC_IFNAMSIZ], struct pcc_err *err);

/*
 * A WAN: IF[@GATEWAY][@GATEWAY6][*WEIGHT]. Gateways are told apart by their family, at most one of
 * each. Members that are not given get their defaults: weight 1, state up, gateways PCC_GW_AUTO,
 * and 0 for id, ifindex and order.
 */
int pcc_parse_wan(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err);

/* GATEWAY or GATEWAY@GATEWAY6. Sets the WAN's gateways and the flags in `given`. */
int pcc_parse_gateways(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err);

/*
 * Lists of WANs and of LANs, appended to cfg; `order` continues that of the WANs already there. How
 * many are allowed is checked by pcc_config_validate().
 */
int pcc_parse_wans(const char *text, struct pcc_config *cfg, struct pcc_err *err);
int pcc_parse_lans(const char *text, struct pcc_config *cfg, struct pcc_err *err);

/* The keywords of the options with the same names. */
int pcc_parse_state(const char *word, enum pcc_wan_state *state, struct pcc_err *err);
int pcc_parse_origin(const char *word, enum pcc_origin *origin, struct pcc_err *err);

/* A mark mask in hexadecimal (0xff00): at least two bits, all next to each other. */
int pcc_parse_mark_mask(const char *word, uint32_t *mask, struct pcc_err *err);

/* A protocol: tcp, udp, udplite, sctp, dccp, icmp, icmpv6 or ipv6-icmp, gre, esp, or 0..255. */
int pcc_parse_proto(const char *word, const char *object, uint8_t *proto, struct pcc_err *err);

/*
 * An address and possibly a port (0..65535): 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1],
 * [2001:db8::1]:80.
 */
int pcc_parse_endpoint(
	const char *word, const char *object, struct pcc_endpoint *out, struct pcc_err *err);

/* ADDRESS or ADDRESS/LEN. Without a length the prefix is the whole address. */
int pcc_parse_prefix(
	const char *word, const char *object, struct pcc_prefix *out, struct pcc_err *err);

/* Is the address inside the prefix? A prefix never contains an address of the other family. */
bool pcc_prefix_contains(const struct pcc_prefix *prefix, const struct pcc_addr *addr);

/* The keywords of the options with these names, indexed by their value, with a NULL at the end. */
extern const char *const pcc_classifier_names[PCC_N_CLASSIFIERS + 1];
extern const char *const pcc_scheme_names[PCC_N_SCHEMES + 1];
extern const char *const pcc_fastpath_names[PCC_N_FASTPATHS + 1];
extern const char *const pcc_state_names[PCC_N_STATES + 1]; /* [0], PCC_WAN_UNUSED, is NULL too */
extern const char *const pcc_origin_names[PCC_N_ORIGINS + 1];
extern const char *const pcc_nat6_names[3]; /* none, masquerade */

/*
 * Names of values. They return "?" for a value out of range, which may come from a foreign pin, for
 * instance.
 */
const char *pcc_classifier_name(uint32_t classifier);
const char *pcc_scheme_name(uint32_t scheme);
const char *pcc_origin_name(uint32_t origin);

/* The fields (PCC_F_*) that a classifier hashes; 0 for a classifier out of range. */
uint32_t pcc_classifier_fields(uint32_t classifier);

/* Writes the name of an IP protocol, or its number, to buf. Returns buf. */
const char *pcc_proto_name(uint8_t proto, char buf[PCC_PROTO_NAME_MAX]);

#endif
