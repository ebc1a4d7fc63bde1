// SPDX-License-Identifier: GPL-2.0-only
/* Filling and printing errors. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int pcc_err_set(struct pcc_err *e, int code, const char *object, const char *cause, ...)
{
	va_list args;

	if (!e)
		return code;
	snprintf(e->object, sizeof(e->object), "%s", object);
	va_start(args, cause);
	vsnprintf(e->cause, sizeof(e->cause), cause, args);
	va_end(args);
	e->hint[0] = '\0';
	return code;
}

int pcc_err_hint(struct pcc_err *e, int code, const char *hint, ...)
{
	va_list args;

	if (!e)
		return code;
	va_start(args, hint);
	vsnprintf(e->hint, sizeof(e->hint), hint, args);
	va_end(args);
	return code;
}

static void print(const char *prefix, const struct pcc_err *e)
{
	fprintf(stderr, "%s: %s: %s", prefix, e->object, e->cause);
	if (e->hint[0])
		fprintf(stderr, " (%s)", e->hint);
	fputc('\n', stderr);
}

void pcc_err_print(const struct pcc_err *e)
{
	print("pccbpf", e);
}

void pcc_warn_print(const struct pcc_err *e)
{
	print("pccbpf: warning", e);
}
