/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The commands. Each one parses its words, acts through the folders below, and prints; its result
 * is the exit status.
 */
#ifndef PCC_CMDS_H
#define PCC_CMDS_H

#include <stdio.h>

#include "base/address.h"
#include "engine/session.h"
#include "cli/options.h"
#include "text/parse.h"

#define PCC_EXIT_OK 0
#define PCC_EXIT_FAILED 1
#define PCC_EXIT_USAGE 2
#define PCC_EXIT_WAN_DOWN 3
#define PCC_EXIT_DETACHED 4 /* of commands that read: nothing is attached */

int pcc_cmd_attach(const struct pcc_args *args);
int pcc_cmd_detach(const struct pcc_args *args);
int pcc_cmd_wan_add(const struct pcc_args *args);
int pcc_cmd_wan_del(const struct pcc_args *args);
int pcc_cmd_wan_set(const struct pcc_args *args);
int pcc_cmd_wan_list(const struct pcc_args *args);
int pcc_cmd_lan_add(const struct pcc_args *args);
int pcc_cmd_lan_del(const struct pcc_args *args);
int pcc_cmd_status(const struct pcc_args *args);
int pcc_cmd_stats(const struct pcc_args *args);
int pcc_cmd_conns(const struct pcc_args *args);
int pcc_cmd_conns_flush(const struct pcc_args *args);
int pcc_cmd_explain(const struct pcc_args *args);
int pcc_cmd_use(const struct pcc_args *args);
int pcc_cmd_apply(const struct pcc_args *args);
int pcc_cmd_confirm(const struct pcc_args *args);
int pcc_cmd_check(const struct pcc_args *args);
int pcc_cmd_show_config(const struct pcc_args *args);
int pcc_cmd_daemon(const struct pcc_args *args);
int pcc_cmd_monitor(const struct pcc_args *args);

/* --- what commands share (cmds.c) ---------------------------------------------------------- */

/* Returns the pin directory: --bpffs, else PCCBPF_BPFFS of the environment, else the default. */
const char *pcc_cmd_dir(const struct pcc_args *args);

/* Reads --wait, in seconds. Returns 0 or -EINVAL with err filled. */
int pcc_cmd_wait(const struct pcc_args *args, unsigned int *wait_s, struct pcc_err *err);

/* Prints the error. Returns PCC_EXIT_FAILED. */
int pcc_cmd_failed(const struct pcc_err *err);
/* Prints the error. Returns PCC_EXIT_USAGE. */
int pcc_cmd_misused(const struct pcc_err *err);

/*
 * Opens a session for a command that needs something attached, and prints an error if there is one.
 * Returns 0 or the exit status. The caller closes the session in both cases.
 */
int pcc_cmd_open(struct pcc_session *s, const struct pcc_args *args, enum pcc_session_mode mode);

/*
 * Changes what is attached: opens a session, calls edit() to alter the configuration, and applies
 * it. An error of edit() is a usage error, except -EALREADY: the configuration already was like
 * that, and is applied all the same. Returns the exit status.
 */
typedef int (*pcc_edit_fn)(
	struct pcc_config *cfg, const struct pcc_args *args, struct pcc_err *err);
int pcc_cmd_change(const struct pcc_args *args, pcc_edit_fn edit);

/* Prints what was attached: a line for each WAN. In cmd_attach.c. */
void pcc_cmd_report(const struct pcc_config *cfg);

/*
 * Writes JSON with a newline, keys in the order in which they were added, and releases it. Returns
 * 0, or -EIO, also if json is NULL for lack of memory.
 */
struct json_t;
int pcc_json_dump(struct json_t *json, FILE *out);

/* The same, to stdout. Returns the exit status. */
int pcc_cmd_print_json(struct json_t *json);

/* Returns the gateway as text: "" for none, or "on-link". */
const char *pcc_gateway_text(
	const struct pcc_gateway *gw, enum pcc_family f, char buf[PCC_ADDR_TEXT]);

/* Writes a number of bytes for people to buf: 12345678 is "11.8 MiB". Returns buf. */
const char *pcc_bytes_text(uint64_t bytes, char buf[16]);

#endif
