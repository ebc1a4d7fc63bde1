/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys of a configuration file whose values are numbers: once, for the reader and the writer.
 * X(kind, type, member, key, min, max): raw_TYPE.MEMBER is the text, the model's member of the same
 * name (with _ms, _percent for units) the number.
 */
#ifndef PCC_CONF_KEYS_H
#define PCC_CONF_KEYS_H

#include <stddef.h>

#include "config/conf.h"
#include "config/conf_raw.h"

enum pcc_key_kind {
	PCC_KEY_NUMBER,
	PCC_KEY_HEX_NUMBER, /* decimal or 0x..., written in hexadecimal */
	PCC_KEY_DURATION,   /* in milliseconds */
	PCC_KEY_PERCENT,
};

struct pcc_number_key {
	const char *key;
	enum pcc_key_kind kind;
	uint32_t min, max;
	size_t raw, model; /* offsets: of a char *, of a uint32_t */
};

#define PCC_N_HEALTH_KEYS 9u
#define PCC_N_BASE_KEYS 5u

/* raw_health and pcc_health_cfg; raw_conf and pcc_config. Defined in conf.c. */
extern const struct pcc_number_key pcc_health_keys[PCC_N_HEALTH_KEYS];
extern const struct pcc_number_key pcc_base_keys[PCC_N_BASE_KEYS];

#define PCC_MAX_TIER 64u
#define PCC_DEF_STICKY_S 3600u
#define PCC_DEF_HOOK_MS 10000u

#endif
