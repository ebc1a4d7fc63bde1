/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Errors as users read them: `pccbpf: OBJECT: CAUSE (HINT)`. Other modules fill a struct pcc_err,
 * only commands print it.
 */
#ifndef PCC_ERR_H
#define PCC_ERR_H

/* An error. One that is all zeroes says nothing. */
struct pcc_err {
	char object[96]; /* what is wrong: an option, an interface, a file, a quoted word */
	char cause[256]; /* what is wrong with it */
	char hint[256];	 /* what to type or do; empty where there is nothing to say */
};

/*
 * Fills e (which may be NULL) and replaces what it held. cause is a printf format. The hint is set
 * by pcc_err_hint(). Returns code, a negative errno, so that callers can write `return
 * pcc_err_set(e, -EINVAL, "--buckets", "'%s' is not a number", word);`
 */
int pcc_err_set(struct pcc_err *e, int code, const char *object, const char *cause, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Adds a hint (a printf format) to an error that pcc_err_set() has filled. Returns code, for the
 * same use in a return statement.
 */
int pcc_err_hint(struct pcc_err *e, int code, const char *hint, ...)
	__attribute__((format(printf, 3, 4)));

/* A function that is called with each warning. */
typedef void (*pcc_warn_fn)(const struct pcc_err *warning);

/* Prints `pccbpf: OBJECT: CAUSE (HINT)` to stderr; "pccbpf: warning: ..." for a warning. */
void pcc_err_print(const struct pcc_err *e);
void pcc_warn_print(const struct pcc_err *e);

#endif
