// SPDX-License-Identifier: GPL-2.0-only
/* Values of a configuration file to text and back: durations, percentages, ports, names. */
#include "base/address.h"
#include "config/conf_value.h"
#include "base/array.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const pcc_failback_names[] = {
	[PCC_FAILBACK_STAY] = "stay",
	[PCC_FAILBACK_DRAIN] = "drain",
	[PCC_FAILBACK_KILL] = "kill",
	NULL,
};

const char *const pcc_sticky_names[] = {
	[PCC_STICKY_NONE] = "none",
	[PCC_STICKY_SOURCE] = "source",
	[PCC_STICKY_SOURCE_SITE] = "source+site",
	NULL,
};

/* The units of durations, the longest first. */
static const struct {
	const char *name;
	uint32_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

const char *pcc_duration_text(uint32_t ms, char buf[PCC_VALUE_TEXT_MAX])
{
	size_t i = 0;

	while (ms % units[i].ms)
		i++;
	if (!ms)
		snprintf(buf, PCC_VALUE_TEXT_MAX, "0");
	else
		snprintf(buf, PCC_VALUE_TEXT_MAX, "%" PRIu32 "%s", ms / units[i].ms, units[i].name);
	return buf;
}

static int duration_hint(uint32_t min_ms, uint32_t max_ms, struct pcc_err *err)
{
	char min[PCC_VALUE_TEXT_MAX], max[PCC_VALUE_TEXT_MAX];

	return pcc_err_hint(err, -EINVAL,
		"write a duration from %s to %s, as in 500ms, 10s, 5m, 1h",
		pcc_duration_text(min_ms, min), pcc_duration_text(max_ms, max));
}

int pcc_parse_duration(const char *word, const char *object, uint32_t min_ms, uint32_t max_ms,
	uint32_t *ms, struct pcc_err *err)
{
	size_t len = strspn(word, "0123456789"), unit;
	uint64_t value = 0;

	for (size_t i = 0; i < len && value <= UINT32_MAX; i++)
		value = value * 10 + (uint64_t)(word[i] - '0');
	for (unit = 0; unit < COUNT(units); unit++)
		if (!strcmp(word + len, units[unit].name))
			break;
	if (!len || (unit == COUNT(units) && (word[len] || value))) {
		pcc_err_set(err, -EINVAL, object,
			len && !word[len] ? "'%s' has no unit" : "'%s' is not a duration", word);
		return duration_hint(min_ms, max_ms, err);
	}
	if (unit < COUNT(units))
		value *= units[unit].ms;
	if (value < min_ms || value > max_ms) {
		pcc_err_set(err, -EINVAL, object, "'%s' is out of range", word);
		return duration_hint(min_ms, max_ms, err);
	}
	*ms = (uint32_t)value;
	return 0;
}

int pcc_parse_percent(const char *word, const char *object, uint32_t *percent, struct pcc_err *err)
{
	size_t len = strlen(word);
	char number[16];

	if (len && word[len - 1] == '%')
		len--;
	if (!len || len >= sizeof(number) || strspn(word, "0123456789") != len) {
		pcc_err_set(err, -EINVAL, object, "'%s' is not a percentage", word);
		return pcc_err_hint(err, -EINVAL, "write 0%% to 100%%");
	}
	memcpy(number, word, len);
	number[len] = '\0';
	return pcc_parse_u32(number, object, PCC_DECIMAL, 0, 100, percent, err);
}

int pcc_parse_bool(const char *word, const char *object, bool *value, struct pcc_err *err)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	for (size_t i = 0; i < COUNT(words); i++) {
		if (!strcasecmp(word, words[i])) {
			*value = i & 1;
			return 0;
		}
	}
	pcc_err_set(err, -EINVAL, object, "'%s' is neither true nor false", word);
	return pcc_err_hint(err, -EINVAL, "write true or false");
}

static int one_port(
	const char *word, size_t len, const char *object, uint16_t *port, struct pcc_err *err)
{
	char number[16];
	uint32_t value;
	int ret;

	if (len >= sizeof(number))
		return pcc_err_set(err, -EINVAL, object, "'%s' is not a port", word);
	memcpy(number, word, len);
	number[len] = '\0';
	ret = pcc_parse_u32(number, object, PCC_DECIMAL, 0, UINT16_MAX, &value, err);
	if (!ret)
		*port = (uint16_t)value;
	return ret;
}

int pcc_parse_ports(
	const char *word, const char *object, uint16_t *min, uint16_t *max, struct pcc_err *err)
{
	size_t len = strcspn(word, "-");
	uint16_t from, to;

	if (one_port(word, len, object, &from, NULL) ||
		one_port(word[len] ? word + len + 1 : word,
			strlen(word[len] ? word + len + 1 : word), object, &to, NULL)) {
		pcc_err_set(err, -EINVAL, object, "'%s' is not a port or a range of ports", word);
		return pcc_err_hint(err, -EINVAL, "write 443 or 1000-2000, from 0 to 65535");
	}
	if (from > to) {
		pcc_err_set(err, -EINVAL, object, "'%s' ends before it begins", word);
		return pcc_err_hint(err, -EINVAL, "write %u-%u", to, from);
	}
	*min = from;
	*max = to;
	return 0;
}

const char *pcc_ports_text(uint16_t min, uint16_t max, char buf[PCC_VALUE_TEXT_MAX])
{
	snprintf(buf, PCC_VALUE_TEXT_MAX, min == max ? "%u" : "%u-%u", min, max);
	return buf;
}

int pcc_parse_dscp(const char *word, const char *object, int16_t *dscp, struct pcc_err *err)
{
	static const struct {
		const char *name;
		uint8_t value;
	} names[] = {{"ef", 46}, {"va", 44}, {"le", 1}};
	char end;
	unsigned int class, drop;
	uint32_t value;

	for (size_t i = 0; i < COUNT(names); i++) {
		if (!strcasecmp(word, names[i].name)) {
			*dscp = names[i].value;
			return 0;
		}
	}
	if (!strncasecmp(word, "cs", 2) && word[2] >= '0' && word[2] <= '7' && !word[3]) {
		*dscp = (int16_t)((word[2] - '0') * 8);
		return 0;
	}
	if (!strncasecmp(word, "af", 2) && sscanf(word + 2, "%1u%1u%c", &class, &drop, &end) == 2 &&
		class >= 1 && class <= 4 && drop >= 1 && drop <= 3) {
		*dscp = (int16_t)(class * 8 + drop * 2);
		return 0;
	}
	if (pcc_parse_u32(word, object, PCC_DECIMAL_OR_HEX, 0, 63, &value, NULL)) {
		pcc_err_set(err, -EINVAL, object, "'%s' is not a DSCP", word);
		return pcc_err_hint(
			err, -EINVAL, "write 0 to 63, cs0 to cs7, af11 to af43, ef, va or le");
	}
	*dscp = (int16_t)value;
	return 0;
}

int pcc_parse_name(
	const char *word, const char *object, char name[PCC_NAME_BYTES], struct pcc_err *err)
{
	size_t len = strlen(word);

	if (len >= PCC_NAME_BYTES) {
		pcc_err_set(err, -EINVAL, object, "'%s' is too long for a name", word);
		return pcc_err_hint(
			err, -EINVAL, "names have at most %u characters", PCC_NAME_BYTES - 1);
	}
	for (const char *p = word; *p || !len; p++) {
		if ((unsigned char)*p > ' ' && *p != 0x7f && !strchr("/\"'`,", *p))
			continue;
		pcc_err_set(err, -EINVAL, object, "'%s' is not a name", word);
		return pcc_err_hint(err, -EINVAL, "no blanks, quotes, commas or slashes in names");
	}
	memcpy(name, word, len + 1);
	return 0;
}

int pcc_parse_path(
	const char *word, const char *object, char *path, size_t size, struct pcc_err *err)
{
	if (word[0] != '/') {
		pcc_err_set(err, -EINVAL, object, "'%s' is not an absolute path", word);
		return pcc_err_hint(err, -EINVAL, "begin it with /");
	}
	if (strlen(word) >= size)
		return pcc_err_set(err, -EINVAL, object, "'%.40s...' is too long", word);
	memcpy(path, word, strlen(word) + 1);
	return 0;
}

const char *pcc_prefix_text(const struct pcc_prefix *prefix, char buf[PCC_VALUE_TEXT_MAX])
{
	char address[PCC_ADDR_TEXT];

	snprintf(buf, PCC_VALUE_TEXT_MAX, "%s/%u", pcc_addr_text(prefix->addr.a, address),
		prefix->len);
	return buf;
}
