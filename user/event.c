// SPDX-License-Identifier: GPL-2.0-only
#include "event.h"

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

/* RFC 3339, UTC, ms. */
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
