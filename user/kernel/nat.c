// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/nat_text.h"
#include "kernel/netlink.h"

#define UDATA_COMMENT 0 /* libnftnl udata.h, NFTNL_UDATA_RULE_COMMENT */

/* ---- what the kernel has ---- */

static struct nlmsghdr *nft_request(char *buf, uint16_t message)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8) | message;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	return nlh;
}

/* A comment lives in the user data, a list of type, length, value. Other people's is not ours. */
static void udata_comment(const struct nlattr *attr, struct pcc_nat_identity *id)
{
	const uint8_t *data = mnl_attr_get_payload(attr);
	size_t at = 0, bytes = mnl_attr_get_payload_len(attr);

	while (at + 2 <= bytes && at + 2 + data[at + 1] <= bytes) {
		const char *comment = (const char *)data + at + 2;

		if (data[at] == UDATA_COMMENT && data[at + 1] > strlen(PCC_NAT_COMMENT) &&
			!strncmp(comment, PCC_NAT_COMMENT, strlen(PCC_NAT_COMMENT)))
			snprintf(id->comment, sizeof(id->comment), "%.*s", (int)data[at + 1],
				comment);
		at += 2 + (size_t)data[at + 1];
	}
}

/* Is the attribute the name of our table? */
static bool is_our_table(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
	       !strcmp(mnl_attr_get_str(attr), PCC_NAT_TABLE);
}

/* Counts the rules of our table; the kernel filters by table, and is not trusted to. */
static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *udata = NULL;
	struct pcc_nat_identity *id = arg;
	bool ours = false;

	if (!nlh) {
		memset(id, 0, sizeof(*id));
		return 0;
	}
	if (nlh->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_RULE_TABLE)
			ours = is_our_table(attr);
		if (mnl_attr_get_type(attr) == NFTA_RULE_USERDATA)
			udata = attr;
	}
	id->nrules += ours;
	if (ours && udata)
		udata_comment(udata, id);
	return 0;
}

static int on_table(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(void)arg;
	return 0;
}

/* 1: the table is there, and what identifies it; 0: it is not; or -errno. */
static int read_identity(struct pcc_nat_identity *id, struct pcc_err *err)
{
	char table[PCC_NL_REQUEST_BYTES] = {0}, rules[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh;
	struct pcc_nl nl = {0};
	int code = pcc_nl_open(&nl, NETLINK_NETFILTER);

	memset(id, 0, sizeof(*id));
	if (!code) {
		nlh = nft_request(table, NFT_MSG_GETTABLE);
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, PCC_NAT_TABLE);
		code = pcc_nl_get(&nl, nlh, on_table, NULL);
	}
	if (!code) {
		nlh = nft_request(rules, NFT_MSG_GETRULE);
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, PCC_NAT_TABLE);
		code = pcc_nl_dump(&nl, nlh, on_rule, id);
	}
	pcc_nl_close(&nl);
	if (!code)
		return 1;
	/* Without nf_tables in the kernel, or its inet family, there is no table either. */
	if (code == -ENOENT || code == -EPROTONOSUPPORT || code == -EINVAL ||
		code == -EAFNOSUPPORT || code == -EOPNOTSUPP)
		return 0;
	pcc_err_set(err, code, PCC_NAT_OBJECT, "cannot read it: %s", strerror(-code));
	return pcc_err_hint(err, code, code == -EPERM ? "run it as root" : "");
}

/* ---- libnftables ---- */

/* The first line of what nft has to say, without its prefix. */
static void first_line(char *to, size_t len, const char *from)
{
	const char *error = strstr(from, "Error: ");

	if (error)
		from = error + strlen("Error: ");
	snprintf(to, len, "%.*s", (int)strcspn(from, "\n"), from);
	if (!to[0])
		snprintf(to, len, "nftables gave no reason");
}

static int run(const char *commands, struct pcc_err *err)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char why[160];
	int code = 0;

	if (!ctx)
		return pcc_err_set(err, -ENOMEM, PCC_NAT_OBJECT, "libnftables does not start");
	if (nft_ctx_buffer_output(ctx) || nft_ctx_buffer_error(ctx)) {
		code = pcc_err_set(err, -ENOMEM, PCC_NAT_OBJECT, "out of memory");
		goto out;
	}
	errno = 0;
	if (nft_run_cmd_from_buffer(ctx, commands)) {
		code = errno == EPERM || errno == ENOMEM ? -errno : -EIO;
		first_line(why, sizeof(why), nft_ctx_get_error_buffer(ctx));
		pcc_err_set(err, code, PCC_NAT_OBJECT, "%s", why);
		pcc_err_hint(err, code,
			"as root, on a kernel with nf_tables: `modprobe -a nf_tables nft_chain_nat "
			"nft_masq nft_fib_inet nft_ct`; or use --no-nat");
	}
out:
	nft_ctx_free(ctx);
	return code;
}

/* Commands that delete the chains of our table that `text` has not. */
struct stale {
	const char *text;
	FILE *out;
};

static int on_chain(const struct nlmsghdr *nlh, void *arg)
{
	struct stale *stale = arg;
	const struct nlattr *attr;
	const char *name = NULL;
	bool ours = false;
	char line[300];

	if (!nlh) {
		rewind(stale->out);
		return 0;
	}
	if (nlh->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWCHAIN))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			ours = is_our_table(attr);
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
	}
	if (!ours || !name)
		return 0;
	snprintf(line, sizeof(line), "\tchain %s {\n", name);
	if (!strstr(stale->text, line))
		fprintf(stale->out, "delete chain inet " PCC_NAT_TABLE " %s\n", name);
	return 0;
}

/* The text, and the deletion of chains that it leaves without rules; allocated, NULL if that fails.
 */
static char *with_deletions(const char *text)
{
	char buf[PCC_NL_REQUEST_BYTES] = {0}, *all = NULL;
	struct nlmsghdr *nlh = nft_request(buf, NFT_MSG_GETCHAIN);
	struct stale stale = {.text = text};
	struct pcc_nl nl = {0};
	size_t bytes;
	int code = pcc_nl_open(&nl, NETLINK_NETFILTER);

	stale.out = open_memstream(&all, &bytes);
	if (!stale.out)
		code = -ENOMEM;
	if (!code)
		code = pcc_nl_dump(&nl, nlh, on_chain, &stale);
	pcc_nl_close(&nl);
	if (stale.out)
		fclose(stale.out);
	if (!code) {
		char *deletions = all;

		all = NULL;
		if (asprintf(&all, "%s%s", text, deletions) < 0)
			all = NULL;
		free(deletions);
		return all;
	}
	free(all);
	return NULL;
}

/* Makes the table what the text says. A table that is too different for that is made anew. */
static int replace(const char *text, bool present, struct pcc_err *err)
{
	char *all = present ? with_deletions(text) : NULL;
	int code = -ENOMEM;

	if (all)
		code = run(all, NULL);
	free(all);
	all = NULL;
	if (!code)
		return 0;
	if (asprintf(&all,
		    "add table inet " PCC_NAT_TABLE "\ndelete table inet " PCC_NAT_TABLE "\n%s",
		    text) < 0)
		return pcc_err_set(err, -ENOMEM, PCC_NAT_OBJECT, "out of memory");
	code = run(all, err);
	free(all);
	return code;
}

/* Has the kernel IPsec? Without it nft knows no rule about it. The sysctl is there with the core of
 * it, unless this is a container; the netlink family is a module. */
static bool kernel_has_ipsec(void)
{
	int fd;

	if (access("/proc/sys/net/core/xfrm_larval_drop", F_OK) == 0)
		return true;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The table as this kernel takes it. */
static int render(const struct pcc_nat_cfg *cfg, char **text, struct pcc_nat_identity *id,
	struct pcc_err *err)
{
	struct pcc_nat_cfg here = *cfg;

	here.ipsec = kernel_has_ipsec();
	return pcc_nat_render(&here, text, id, err);
}

int pcc_nat_apply(const struct pcc_nat_cfg *cfg, bool *changed, struct pcc_err *err)
{
	struct pcc_nat_identity want = {0}, have;
	char *text;
	bool done = false;
	int present, code = render(cfg, &text, &want, err);

	if (code)
		return code;
	present = read_identity(&have, err);
	if (present < 0) {
		code = present;
	} else if (!text) {
		code = present ? run("delete table inet " PCC_NAT_TABLE, err) : 0;
		done = present && !code;
	} else if (!present || have.nrules != want.nrules || strcmp(have.comment, want.comment)) {
		code = replace(text, present, err);
		done = !code;
	}
	if (changed)
		*changed = done;
	free(text);
	return code;
}

int pcc_nat_remove(struct pcc_err *err)
{
	static const struct pcc_nat_cfg nothing;

	return pcc_nat_apply(&nothing, NULL, err);
}

int pcc_nat_present(struct pcc_err *err)
{
	struct pcc_nat_identity have;

	return read_identity(&have, err);
}

int pcc_nat_matches(const struct pcc_nat_cfg *cfg, struct pcc_err *err)
{
	struct pcc_nat_identity want = {0}, have;
	char *text;
	int present, code = render(cfg, &text, &want, err);

	if (code)
		return code;
	present = read_identity(&have, err);
	code = !text;
	free(text);
	if (present < 0)
		return present;
	if (!present || code)
		return !present && code;
	return have.nrules == want.nrules && !strcmp(have.comment, want.comment);
}
