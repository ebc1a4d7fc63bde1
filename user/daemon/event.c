// SPDX-License-Identifier: GPL-2.0-only
/* Events as text, as JSON, and back. */
#include "daemon/event.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *pcc_event_name(enum pcc_event_kind kind)
{
	static const char *const names[PCC_EVENT_MAX] = {
#define X(sym, name) [PCC_EVENT_##sym] = name,
		PCC_EVENTS(X)
#undef X
	};

	return kind < PCC_EVENT_MAX ? names[kind] : "?";
}

/* Writes a time as in RFC 3339, in UTC with milliseconds. */
static void time_text(uint64_t time_us, char *buf, size_t size)
{
	time_t seconds = (time_t)(time_us / 1000000);
	struct tm tm;
	size_t used;

	gmtime_r(&seconds, &tm);
	used = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + used, size - used, ".%03uZ", (unsigned int)(time_us / 1000 % 1000));
}

static size_t ended(char *buf, size_t size, int length)
{
	if (length < 0)
		return 0;
	if ((size_t)length < size)
		return (size_t)length;
	buf[size - 2] = '\n';
	return size - 1;
}

size_t pcc_event_text(const struct pcc_event *e, char *buf, size_t size)
{
	char when[32], what[64] = "";

	time_text(e->time_us, when, sizeof(when));
	if (e->wan[0] && !strcmp(e->old_state, e->new_state))
		snprintf(what, sizeof(what), "%s %s", e->wan, e->new_state);
	else if (e->wan[0])
		snprintf(what, sizeof(what), "%s %s -> %s", e->wan, e->old_state, e->new_state);
	else
		snprintf(what, sizeof(what), "%s%s%s", pcc_event_name(e->kind),
			e->wan[0] ? " " : "", e->wan);
	return ended(buf, size,
		snprintf(
			buf, size, "%s %s%s%s\n", when, what, e->reason[0] ? ": " : "", e->reason));
}

size_t pcc_event_json(const struct pcc_event *e, char *buf, size_t size)
{
	char when[32], *text;
	json_t *json;
	size_t n = 0;

	time_text(e->time_us, when, sizeof(when));
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "time", when, "event",
		pcc_event_name(e->kind), "wan", e->wan, "old", e->old_state, "new", e->new_state,
		"reason", e->reason);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (text && strlen(text) + 2 <= size)
		n = ended(buf, size, snprintf(buf, size, "%s\n", text));
	free(text);
	json_decref(json);
	return n;
}

static enum pcc_event_kind kind_of(const char *name)
{
	enum pcc_event_kind kind = 0;

	while (kind < PCC_EVENT_MAX && strcmp(pcc_event_name(kind), name))
		kind++;
	return kind;
}

static uint64_t time_parse(const char *text)
{
	unsigned int ms = 0;
	struct tm tm = {};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (!rest || sscanf(rest, ".%3uZ", &ms) != 1)
		return 0;
	return (uint64_t)timegm(&tm) * 1000000 + ms * 1000u;
}

int pcc_event_parse(const char *text, struct pcc_event *e)
{
	const char *when, *kind, *wan, *old_state, *new_state, *reason;
	json_t *json = json_loads(text, 0, NULL);
	int ret = -EINVAL;

	memset(e, 0, sizeof(*e));
	if (json &&
		!json_unpack(json, "{s:s, s:s, s:s, s:s, s:s, s:s}", "time", &when, "event", &kind,
			"wan", &wan, "old", &old_state, "new", &new_state, "reason", &reason)) {
		e->time_us = time_parse(when);
		e->kind = kind_of(kind);
		snprintf(e->wan, sizeof(e->wan), "%s", wan);
		snprintf(e->old_state, sizeof(e->old_state), "%s", old_state);
		snprintf(e->new_state, sizeof(e->new_state), "%s", new_state);
		snprintf(e->reason, sizeof(e->reason), "%s", reason);
		ret = e->time_us && e->kind < PCC_EVENT_MAX ? 0 : -EINVAL;
	}
	json_decref(json);
	return ret;
}
