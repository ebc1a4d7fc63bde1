// SPDX-License-Identifier: GPL-2.0-only
/* Probe "http://192.0.2.80/generate_204": the page must have the expected status (RFC 9112). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "health/kind.h"
#include "text/parse.h"

#define HTTP_PORT 80u

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/*
 * Returns the expected status if the target names none: 204 for the pages by which captive portals
 * are detected, as those have no content.
 */
static uint16_t usual_status(const char *path)
{
	return ends_in(path, "/generate_204") || ends_in(path, "/gen_204") ? 204 : 0;
}

static const char *http_parse(const char *rest, struct pcc_target *t)
{
	const char *expect = strchr(rest, '#');
	size_t len = expect ? (size_t)(expect - rest) : strlen(rest);
	uint32_t status;

	if (*rest == '?')
		return "a '?' has a path before it, as in http://192.0.2.80/?a=b";
	if (len >= sizeof(t->path))
		return "the path is too long";
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)rest[i] <= ' ' || (unsigned char)rest[i] >= 0x7f)
			return "a character that no path has; write it as %xx";
	memcpy(t->path, rest, len);
	t->path[len] = '\0';
	if (!len)
		strcpy(t->path, "/");
	t->status = usual_status(t->path);
	if (!expect)
		return NULL;
	if (strncmp(expect, "#expect=", 8) ||
		pcc_parse_u32(expect + 8, "expect", PCC_DECIMAL, 200, 599, &status, NULL))
		return "after '#' stands expect= and a status from 200 to 599";
	t->status = status;
	return NULL;
}

static size_t http_send(const struct pcc_asker *who, uint16_t number, uint8_t out[PCC_PROBE_BYTES])
{
	const struct pcc_target *t = &who->target;
	char host[INET6_ADDRSTRLEN] = "", port[8] = "";
	bool v6 = t->family == AF_INET6;
	int len;

	(void)number;
	inet_ntop(t->family, &t->addr, host, sizeof(host));
	if (t->port != HTTP_PORT)
		snprintf(port, sizeof(port), ":%u", t->port);
	len = snprintf((char *)out, PCC_PROBE_BYTES,
		"GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: pccbpf\r\nAccept: */*\r\n"
		"Connection: close\r\n\r\n",
		t->path, v6 ? "[" : "", host, v6 ? "]" : "", port);
	return len > 0 ? (size_t)len : 0;
}

/*
 * Returns the status of a response; 0 if too little of it has arrived; -EINVAL if it is not HTTP.
 */
static int status_of(const char *in, size_t len)
{
	static const char shape[] = "HTTP/1.# ###";
	const size_t bytes = sizeof(shape) - 1;
	int status = 0;

	for (size_t i = 0; i < len && i < bytes; i++) {
		bool digit = in[i] >= '0' && in[i] <= '9';

		if (shape[i] == '#' ? !digit : in[i] != shape[i])
			return -EINVAL;
		if (i >= 9)
			status = status * 10 + (in[i] - '0');
	}
	if (len < bytes)
		return 0;
	return status >= 100 ? status : -EINVAL;
}

/* Anything but the expected status may come from a captive portal, even what is not HTTP. */
static bool http_read(
	const struct pcc_asker *who, const uint8_t *in, size_t len, struct pcc_answer *answer)
{
	int status = status_of((const char *)in, len), want = who->target.status;

	if (!status)
		return false;
	if (want ? status == want : status >= 200 && status <= 299)
		answer->outcome = PCC_PROBE_OK;
	else
		answer->outcome = PCC_PROBE_PORTAL;
	return true;
}

const struct pcc_kind pcc_kind_http = {
	.scheme = "http",
	.example = "http://192.0.2.80/generate_204",
	.port = HTTP_PORT,
	.parse = http_parse,
	.type = SOCK_STREAM,
	.send = http_send,
	.read = http_read,
};
