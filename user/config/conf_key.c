// SPDX-License-Identifier: GPL-2.0-only
/* Generic handling of one row of the table of keys: its value to text and back, copying. Pure. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/conf_keys.h"

uint32_t pcc_key_get(const struct pcc_key *key, const void *model)
{
	const char *at = (const char *)model + key->offset;
	uint32_t value;

	if (key->size == sizeof(bool))
		return *(const bool *)at;
	memcpy(&value, at, sizeof(value));
	return value;
}

void pcc_key_set(const struct pcc_key *key, void *model, uint32_t value)
{
	char *at = (char *)model + key->offset;

	if (key->size == sizeof(bool))
		*(bool *)at = value != 0;
	else
		memcpy(at, &value, sizeof(value));
}

static uint32_t count_names(const char *const *names)
{
	uint32_t n = 0;

	while (names[n])
		n++;
	return n;
}

static int parse_value(const struct pcc_key *key, const char *object, const char *word,
	uint32_t *value, struct pcc_err *err)
{
	bool yes = false;
	int ret;

	switch (key->kind) {
	case PCC_KEY_NUMBER:
		return pcc_parse_u32(word, object, PCC_DECIMAL, key->min, key->max, value, err);
	case PCC_KEY_HEX_NUMBER:
		return pcc_parse_u32(
			word, object, PCC_DECIMAL_OR_HEX, key->min, key->max, value, err);
	case PCC_KEY_MASK:
		return pcc_parse_mark_mask(word, value, err);
	case PCC_KEY_DURATION:
		return pcc_parse_duration(word, object, key->min, key->max, value, err);
	case PCC_KEY_PERCENT:
		return pcc_parse_percent(word, object, value, err);
	case PCC_KEY_KEYWORD:
		return pcc_parse_keyword(
			word, object, key->names, count_names(key->names), value, err);
	default:
		ret = pcc_parse_bool(word, object, &yes, err);
		*value = yes;
		return ret;
	}
}

int pcc_key_parse(const struct pcc_key *key, const char *object, const char *word, void *model,
	struct pcc_err *err)
{
	uint32_t value = 0;
	int ret = parse_value(key, object, word, &value, err);

	if (ret)
		return ret;
	pcc_key_set(key, model, value);
	if (key->given)
		*(bool *)((char *)model + key->given) = true;
	return 0;
}

const char *pcc_key_text(const struct pcc_key *key, const void *model, char buf[PCC_VALUE_TEXT_MAX])
{
	uint32_t value = pcc_key_get(key, model);

	switch (key->kind) {
	case PCC_KEY_HEX_NUMBER:
	case PCC_KEY_MASK:
		snprintf(buf, PCC_VALUE_TEXT_MAX, "0x%" PRIx32, value);
		break;
	case PCC_KEY_DURATION:
		return pcc_duration_text(value, buf);
	case PCC_KEY_PERCENT:
		snprintf(buf, PCC_VALUE_TEXT_MAX, "%" PRIu32 "%%", value);
		break;
	case PCC_KEY_KEYWORD:
		snprintf(buf, PCC_VALUE_TEXT_MAX, "%s",
			value < count_names(key->names) ? key->names[value] : "?");
		break;
	case PCC_KEY_BOOL:
		snprintf(buf, PCC_VALUE_TEXT_MAX, "%s", value ? "true" : "false");
		break;
	default:
		snprintf(buf, PCC_VALUE_TEXT_MAX, "%" PRIu32, value);
	}
	return buf;
}

bool pcc_key_differs(const struct pcc_key *key, const void *model, const void *usual)
{
	return key->given ? *(const bool *)((const char *)model + key->given)
			  : pcc_key_get(key, model) != pcc_key_get(key, usual);
}
