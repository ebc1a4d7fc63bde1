// SPDX-License-Identifier: GPL-2.0-only
/* Copies the values of all keys of attach: between configurations, to the pins and back. Pure. */
#include "config/conf_keys.h"

void pcc_base_copy(struct pcc_config *to, const struct pcc_config *from)
{
	for (uint32_t i = 0; i < PCC_N_BASE_KEYS; i++) {
		const struct pcc_key *key = &pcc_base_keys[i];

		if (key->given && !*(const bool *)((const char *)from + key->given))
			continue;
		pcc_key_set(key, to, pcc_key_get(key, from));
		if (key->given)
			*(bool *)((char *)to + key->given) = true;
	}
}

void pcc_base_to_meta(const struct pcc_config *cfg, struct pcc_meta *meta)
{
	for (uint32_t i = 0; i < PCC_N_BASE_KEYS; i++) {
		const struct pcc_key *key = &pcc_base_keys[i];

		if (key->meta)
			*(__u32 *)((char *)meta + key->meta) = pcc_key_get(key, cfg);
	}
}

uint32_t pcc_base_meta_flags(const struct pcc_config *cfg)
{
	uint32_t flags = 0;

	for (uint32_t i = 0; i < PCC_N_BASE_KEYS; i++)
		if (pcc_base_keys[i].meta_flag && pcc_key_get(&pcc_base_keys[i], cfg))
			flags |= pcc_base_keys[i].meta_flag;
	return flags;
}

void pcc_base_from_meta(struct pcc_config *cfg, const struct pcc_meta *meta)
{
	for (uint32_t i = 0; i < PCC_N_BASE_KEYS; i++) {
		const struct pcc_key *key = &pcc_base_keys[i];

		if (key->meta)
			pcc_key_set(key, cfg, *(const __u32 *)((const char *)meta + key->meta));
		else if (key->meta_flag)
			pcc_key_set(key, cfg, !!(meta->flags & key->meta_flag));
	}
}
