/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors as users read them: `pccbpf: OBJECT: CAUSE (HINT)`. Modules fill them, commands print
 * them. */
#ifndef PCC_ERR_H
#define PCC_ERR_H

/* The empty error is all zeroes. */
struct pcc_err {
	char object[96]; /* what is wrong: an option, an interface, a file, a quoted word */
	char cause[256]; /* what is wrong with it */
	char hint[256];	 /* what to type or do; empty where there is nothing to say */
};

/*
 * Fills e (which may be NULL), replacing what it held. cause is a printf format; the hint is set
 * with pcc_err_hint(). Returns code, which is a negative errno, so that callers write
 * `return pcc_err_set(e, -EINVAL, "--buckets", "'%s' is not a number", word);`
 */
int pcc_err_set(struct pcc_err *e, int code, const char *object, const char *cause, ...)
	__attribute__((format(printf, 4, 5)));

/* Adds the hint to an error that has been set. Returns code, for the same style of use. */
int pcc_err_hint(struct pcc_err *e, int code, const char *hint, ...)
	__attribute__((format(printf, 3, 4)));

/* Told of everything that is worth a warning. */
typedef void (*pcc_warn_fn)(const struct pcc_err *warning);

/* Prints `pccbpf: OBJECT: CAUSE (HINT)` to stderr; "pccbpf: warning: ..." for a warning. */
void pcc_err_print(const struct pcc_err *e);
void pcc_warn_print(const struct pcc_err *e);

#endif
