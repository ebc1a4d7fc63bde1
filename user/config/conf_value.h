/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The values of a configuration file as text, and back. Pure. As in parse.h, the parsers return 0,
 * or -EINVAL with the bad word quoted; on an error the output parameters are unchanged.
 */
#ifndef PCC_CONF_VALUE_H
#define PCC_CONF_VALUE_H

#include "config/conf.h"

#define PCC_VALUE_TEXT_MAX 64u

/*
 * A duration: a number and its unit, 500ms, 10s, 5m, 1h. 0 needs no unit. The result is in
 * milliseconds.
 */
int pcc_parse_duration(const char *word, const char *object, uint32_t min_ms, uint32_t max_ms,
	uint32_t *ms, struct pcc_err *err);

/* A percentage: 30% or 30. */
int pcc_parse_percent(const char *word, const char *object, uint32_t *percent, struct pcc_err *err);

/* A boolean: true or false, also yes, no, on, off. */
int pcc_parse_bool(const char *word, const char *object, bool *value, struct pcc_err *err);

/* One port, or a range like 1000-2000; each 0..65535. Host byte order. */
int pcc_parse_ports(
	const char *word, const char *object, uint16_t *min, uint16_t *max, struct pcc_err *err);

/* A DSCP: 0..63, or a name of RFC 2474, 2597, 3246, 5865, 8622: cs0-cs7, af11-af43, ef, va, le. */
int pcc_parse_dscp(const char *word, const char *object, int16_t *dscp, struct pcc_err *err);

/* A name that the user gives: 1..31 characters, no blank, quote, comma or slash. */
int pcc_parse_name(
	const char *word, const char *object, char name[PCC_NAME_BYTES], struct pcc_err *err);

/* An absolute path. */
int pcc_parse_path(
	const char *word, const char *object, char *path, size_t size, struct pcc_err *err);

extern const char *const pcc_failback_names[4]; /* stay, drain, kill */
extern const char *const pcc_sticky_names[4];	/* none, source, source+site */

/* Write the shortest text that the parsers read back to buf. Return buf. */
const char *pcc_duration_text(uint32_t ms, char buf[PCC_VALUE_TEXT_MAX]);
const char *pcc_ports_text(uint16_t min, uint16_t max, char buf[PCC_VALUE_TEXT_MAX]);
const char *pcc_prefix_text(const struct pcc_prefix *prefix, char buf[PCC_VALUE_TEXT_MAX]);

#endif
