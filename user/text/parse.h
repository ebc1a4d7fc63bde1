/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text to model and back. Pure: no kernel, no printing. Parsers return 0 or -EINVAL and fill the
 * error with the bad word and what is allowed; `object` is what the error is about, an option for
 * instance. What they write to is untouched when they fail.
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

/* An address, v4-mapped (RFC 4291, 2.5.5.2), and perhaps a port (host order). */
struct pcc_endpoint {
	struct pcc_addr addr;
	enum pcc_family family;
	bool has_port;
	uint16_t port;
};

/* An address with a prefix length (0..32 or 0..128); bits after the prefix are 0. */
struct pcc_prefix {
	struct pcc_addr addr; /* v4-mapped */
	enum pcc_family family;
	uint8_t len;
};

/* Numbers: the whole word, min..max. */
int pcc_parse_u32(const char *word, const char *object, enum pcc_number_base base, uint32_t min,
	uint32_t max, uint32_t *out, struct pcc_err *err);

/*
 * One of names[0..n): *out is its place. Entries that are NULL are no choice. A word that is nearly
 * right gets a "did you mean", any other the list of what is allowed.
 */
int pcc_parse_keyword(const char *word, const char *object, const char *const *names, uint32_t n,
	uint32_t *out, struct pcc_err *err);

/*
 * The words of a list `a,b,c` in turn, to item(), which returns 0 or a negative errno that ends it.
 * An empty list or an empty word is an error.
 */
int pcc_parse_list(const char *text, const char *object,
	int (*item)(const char *word, void *ctx, struct pcc_err *err), void *ctx,
	struct pcc_err *err);

/*
 * An interface name as the kernel takes it (dev_valid_name() in net/core/dev.c): 1..15 characters,
 * no blank, '/' or ':', not "." or "..". Quotes, control characters, and the separators ',', '@'
 * and
 * '*' are refused too.
 */
int pcc_parse_ifname(
	const char *word, const char *object, char name[PCC_IFNAMSIZ], struct pcc_err *err);

/*
 * IF[@GATEWAY][@GATEWAY6][*WEIGHT]. Gateways are told apart by their family, at most one of each.
 * Members that are not given get: weight 1, state up, gateways PCC_GW_AUTO, id, ifindex, order 0.
 */
int pcc_parse_wan(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err);

/* GATEWAY or GATEWAY@GATEWAY6, into the wan's gateways and `given`. */
int pcc_parse_gateways(
	const char *word, const char *object, struct pcc_wan_cfg *wan, struct pcc_err *err);

/* Lists of WANs and LANs, appended to cfg; `order` counts on. Sizes are for pcc_config_validate().
 */
int pcc_parse_wans(const char *text, struct pcc_config *cfg, struct pcc_err *err);
int pcc_parse_lans(const char *text, struct pcc_config *cfg, struct pcc_err *err);

/* Keywords of the options with the same names. */
int pcc_parse_classifier(const char *word, uint32_t *classifier, struct pcc_err *err);
int pcc_parse_scheme(const char *word, enum pcc_scheme *scheme, struct pcc_err *err);
int pcc_parse_fastpath(const char *word, enum pcc_fastpath *fastpath, struct pcc_err *err);
int pcc_parse_state(const char *word, enum pcc_wan_state *state, struct pcc_err *err);
int pcc_parse_origin(const char *word, enum pcc_origin *origin, struct pcc_err *err);

/* masquerade: true, none: false. */
int pcc_parse_nat6(const char *word, bool *nat6, struct pcc_err *err);

/* A mask in hexadecimal (0xff00): at least two bits, all next to each other. */
int pcc_parse_mark_mask(const char *word, uint32_t *mask, struct pcc_err *err);

/* tcp, udp, udplite, sctp, dccp, icmp, icmpv6 or ipv6-icmp, gre, esp, or 0..255. */
int pcc_parse_proto(const char *word, const char *object, uint8_t *proto, struct pcc_err *err);

/* 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. Ports 0..65535. */
int pcc_parse_endpoint(
	const char *word, const char *object, struct pcc_endpoint *out, struct pcc_err *err);

/* ADDRESS or ADDRESS/LEN; without a length the whole address counts. */
int pcc_parse_prefix(
	const char *word, const char *object, struct pcc_prefix *out, struct pcc_err *err);

/* Is the v4-mapped address inside? A prefix never holds an address of the other family. */
bool pcc_prefix_contains(const struct pcc_prefix *prefix, const struct pcc_addr *addr);

/* The words that the options of these names take, by their value, with a NULL at the end. */
extern const char *const pcc_classifier_names[PCC_N_CLASSIFIERS + 1];
extern const char *const pcc_scheme_names[PCC_N_SCHEMES + 1];
extern const char *const pcc_fastpath_names[PCC_N_FASTPATHS + 1];
extern const char *const pcc_state_names[PCC_N_STATES + 1]; /* [0], PCC_WAN_UNUSED, is NULL too */
extern const char *const pcc_origin_names[PCC_N_ORIGINS + 1];
extern const char *const pcc_nat6_names[3]; /* none, masquerade */

/* Names of values; "?" for one that is out of range (read from a foreign pin, for instance). */
const char *pcc_classifier_name(uint32_t classifier);
const char *pcc_scheme_name(uint32_t scheme);
const char *pcc_fastpath_name(uint32_t fastpath);
const char *pcc_origin_name(uint32_t origin);

/* PCC_F_* of a classifier; 0 for one that is out of range. */
uint32_t pcc_classifier_fields(uint32_t classifier);

/* Name of an IP protocol, or its number; into buf, which it returns. */
const char *pcc_proto_name(uint8_t proto, char buf[PCC_PROTO_NAME_MAX]);

#endif
