// SPDX-License-Identifier: GPL-2.0-only
#if 0 /* a copy, to be cut to its subject */
#include "base/fnv.h"
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

#include "kernel/netlink.h"

#define TABLE "pccbpf"
#define OBJECT "nftables table inet " TABLE
#define UDATA_COMMENT 0 /* libnftnl udata.h, NFTNL_UDATA_RULE_COMMENT */
#define COMMENT TABLE " "
#define CHAIN_POST "postrouting"
#define CHAIN_LOCAL "local_in"

/* What identifies a ruleset of ours: the comment of a rule of postrouting, and how many
 * rules stand in the table. */
struct identity {
	char comment[64];
	uint32_t nrules;
};

/* ---- text ---- */

/*
 * Interface names go between quotes. A quote would end the string, a backslash escape, a final star
 * match other interfaces; white space and the rest the kernel itself refuses (dev_valid_name()).
 */
static bool name_ok(const char *name)
{
	const char *p;

	if (!name[0] || strnlen(name, PCC_IFNAMSIZ) >= PCC_IFNAMSIZ)
		return false;
	for (p = name; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f || strchr("\"\\*/", *p))
			return false;
	}
	return true;
}

static int check(const struct pcc_nat_cfg *cfg, struct pcc_err *err)
{
	uint32_t i, j;

	if (cfg->nwans > PCC_MAX_WANS)
		return pcc_err_set(
			err, -EINVAL, OBJECT, "%u WANs, at most %u", cfg->nwans, PCC_MAX_WANS);
	for (i = 0; i < cfg->nwans; i++) {
		const struct pcc_nat_wan *w = &cfg->wans[i];
		char name[PCC_IFNAMSIZ + 2];

		snprintf(name, sizeof(name), "'%.15s'", w->name);
		if (!name_ok(w->name)) {
			pcc_err_set(err, -EINVAL, name,
				"this interface name cannot be used in nftables");
			return pcc_err_hint(err, -EINVAL,
				"rename it with `ip link set OLD name NEW`, or use --no-nat");
		}
		if (!w->id || w->id > PCC_MAX_WANS || (w->mark & ~cfg->mark_mask))
			return pcc_err_set(err, -EINVAL, name,
				"WAN id %u with mark 0x%x does not fit the mask 0x%x", w->id,
				w->mark, cfg->mark_mask);
		for (j = 0; j < i; j++) {
			if (cfg->wans[j].id == w->id || !strcmp(cfg->wans[j].name, w->name))
				return pcc_err_set(err, -EINVAL, name,
					"two WANs have this name or id %u", w->id);
		}
	}
	return 0;
}

static bool needed(const struct pcc_nat_cfg *cfg)
{
	return cfg->nwans && (cfg->nat4 || cfg->nat6 || cfg->write_ctmark);
}

/* Counts the rules while they are written. */
static uint32_t rule(FILE *out, const char *text)
{
	fprintf(out, "\t\t%s\n", text);
	return 1;
}

/*
 * The chain of what leaves by one WAN. Conntrack marks come first since `accept` and `masquerade`
 * end the chain. A source address that belongs to that interface is right already, so only other
 * people's are masqueraded: the LAN's, and what the router itself sends from another WAN's address.
 * What is forwarded has no address of the router's as its source, and is not asked for it.
 */
static uint32_t write_out_chain(
	FILE *out, const struct pcc_nat_cfg *cfg, const struct pcc_nat_wan *w)
{
	uint32_t n = 0;

	fprintf(out, "\tchain out_%u {\n", w->id);
	if (cfg->write_ctmark) {
		fprintf(out,
			"\t\tmeta mark & 0x%08x == 0x%08x ct mark set ct mark & 0x%08x | 0x%08x\n",
			cfg->mark_mask, w->mark, ~cfg->mark_mask, w->mark);
		n++;
	}
	if (cfg->nat4 || cfg->nat6)
		n += rule(out, "iif 0 fib saddr . oif type local accept");
	if (cfg->nat4)
		n += rule(out, "meta nfproto ipv4 masquerade");
	if (cfg->nat6)
		n += rule(out, "ip6 saddr != fe80::/10 masquerade");
	fprintf(out, "\t}\n");
	return n;
}

/* The chain of what came in by one WAN. */
static uint32_t write_in_chain(
	FILE *out, const struct pcc_nat_cfg *cfg, const struct pcc_nat_wan *w)
{
	fprintf(out, "\tchain in_%u {\n\t\tct mark set ct mark & 0x%08x | 0x%08x\n\t}\n", w->id,
		~cfg->mark_mask, w->mark);
	return 1;
}

/* comment: NULL for none. */
static uint32_t write_dispatch(
	FILE *out, const struct pcc_nat_cfg *cfg, const char *direction, const char *comment)
{
	uint32_t i;

	fprintf(out, "\t\t%sifname vmap {", direction[0] == 'i' ? "i" : "o");
	for (i = 0; i < cfg->nwans; i++)
		fprintf(out, "%s \"%s\" : jump %s_%u", i ? "," : "", cfg->wans[i].name, direction,
			cfg->wans[i].id);
	fprintf(out, " }");
	if (comment)
		fprintf(out, " comment \"%s\"", comment);
	fprintf(out, "\n");
	return 1;
}

/*
 * Chains of type nat see the first packet of a connection only, so established ones pay nothing. A
 * connection that comes in by a WAN to the router itself never gets to postrouting: chain local_in
 * marks it. The dispatch by name is one hash look-up however many WANs. A packet that is looked up
 * just when the rules are switched finds nothing in the old ones' map, and a connection without NAT
 * has none for good; so what was not found is compared name by name.
 */
static uint32_t write_chains(FILE *out, const struct pcc_nat_cfg *cfg, const char *comment)
{
	uint32_t i, n = 0;

	for (i = 0; i < cfg->nwans; i++) {
		n += write_out_chain(out, cfg, &cfg->wans[i]);
		if (cfg->write_ctmark)
			n += write_in_chain(out, cfg, &cfg->wans[i]);
	}
	fprintf(out, "\tchain " CHAIN_POST " {\n"
		     "\t\ttype nat hook postrouting priority 100; policy accept;\n");
	if (cfg->write_ctmark)
		n += write_dispatch(out, cfg, "in", NULL);
	n += write_dispatch(out, cfg, "out", comment);
	for (i = 0; i < cfg->nwans; i++, n++)
		fprintf(out, "\t\toifname \"%s\" jump out_%u\n", cfg->wans[i].name,
			cfg->wans[i].id);
	fprintf(out, "\t}\n");
	if (cfg->write_ctmark) {
		fprintf(out, "\tchain " CHAIN_LOCAL " {\n"
			     "\t\ttype nat hook input priority 100; policy accept;\n");
		n += write_dispatch(out, cfg, "in", NULL);
		fprintf(out, "\t}\n");
	}
	return n;
}

/* The chains as text, allocated, with that comment; NULL where memory is short. */
static char *chains_text(const struct pcc_nat_cfg *cfg, const char *comment, uint32_t *nrules)
{
	char *chains = NULL;
	size_t bytes;
	FILE *out = open_memstream(&chains, &bytes);

	if (!out)
		return NULL;
	*nrules = write_chains(out, cfg, comment);
	if (fclose(out) != 0) {
		free(chains);
		return NULL;
	}
	return chains;
}

/* The same, and what identifies them: a hash of the text without it. */
static char *render_chains(const struct pcc_nat_cfg *cfg, struct identity *id)
{
	char *chains = chains_text(cfg, NULL, &id->nrules);

	if (!chains)
		return NULL;
	snprintf(id->comment, sizeof(id->comment), COMMENT "%016llx",
		(unsigned long long)pcc_fnv1a(PCC_FNV1A_BASIS, chains, strlen(chains)));
	free(chains);
	return chains_text(cfg, id->comment, &id->nrules);
}

/*
 * The chains stay, their rules are replaced. Between a base chain that is deleted and another that
 * is made in the same transaction a packet can get through without NAT: the new one is asked first,
 * before the rules are switched, and the old one after that.
 */
static int render(
	const struct pcc_nat_cfg *cfg, char **text, struct identity *id, struct pcc_err *err)
{
	char *chains;
	int code = check(cfg, err);

	*text = NULL;
	if (code || !needed(cfg))
		return code;
	chains = render_chains(cfg, id);
	if (!chains || asprintf(text,
			       "add table inet " TABLE "\n"
			       "flush table inet " TABLE "\n"
			       "table inet " TABLE " {\n"
			       "%s"
			       "}\n",
			       chains) < 0) {
		*text = NULL;
		code = -ENOMEM;
	}
	free(chains);
	if (code)
		return pcc_err_set(err, code, OBJECT, "out of memory");
	return 0;
}

int pcc_nat_render(const struct pcc_nat_cfg *cfg, char **text, struct pcc_err *err)
{
	struct identity id;

	return render(cfg, text, &id, err);
}

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
static void udata_comment(const struct nlattr *attr, struct identity *id)
{
	const uint8_t *data = mnl_attr_get_payload(attr);
	size_t at = 0, bytes = mnl_attr_get_payload_len(attr);

	while (at + 2 <= bytes && at + 2 + data[at + 1] <= bytes) {
		const char *comment = (const char *)data + at + 2;

		if (data[at] == UDATA_COMMENT && data[at + 1] > strlen(COMMENT) &&
			!strncmp(comment, COMMENT, strlen(COMMENT)))
			snprintf(id->comment, sizeof(id->comment), "%.*s", (int)data[at + 1],
				comment);
		at += 2 + (size_t)data[at + 1];
	}
}

/* Is the attribute the name of our table? */
static bool is_our_table(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
	       !strcmp(mnl_attr_get_str(attr), TABLE);
}

/* Counts the rules of our table; the kernel filters by table, and is not trusted to. */
static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *udata = NULL;
	struct identity *id = arg;
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
static int read_identity(struct identity *id, struct pcc_err *err)
{
	char table[PCC_NL_REQUEST_BYTES] = {0}, rules[PCC_NL_REQUEST_BYTES] = {0};
	struct nlmsghdr *nlh;
	struct pcc_nl nl = {0};
	int code = pcc_nl_open(&nl, NETLINK_NETFILTER);

	memset(id, 0, sizeof(*id));
	if (!code) {
		nlh = nft_request(table, NFT_MSG_GETTABLE);
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, TABLE);
		code = pcc_nl_get(&nl, nlh, on_table, NULL);
	}
	if (!code) {
		nlh = nft_request(rules, NFT_MSG_GETRULE);
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, TABLE);
		code = pcc_nl_dump(&nl, nlh, on_rule, id);
	}
	pcc_nl_close(&nl);
	if (!code)
		return 1;
	/* Without nf_tables in the kernel, or its inet family, there is no table either. */
	if (code == -ENOENT || code == -EPROTONOSUPPORT || code == -EINVAL ||
		code == -EAFNOSUPPORT || code == -EOPNOTSUPP)
		return 0;
	pcc_err_set(err, code, OBJECT, "cannot read it: %s", strerror(-code));
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

/* Runs commands; *output (may be NULL) is what they print, allocated. */
static int run(const char *commands, char **output, struct pcc_err *err)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char why[160];
	int code = 0;

	if (!ctx)
		return pcc_err_set(err, -ENOMEM, OBJECT, "libnftables does not start");
	if (nft_ctx_buffer_output(ctx) || nft_ctx_buffer_error(ctx)) {
		code = pcc_err_set(err, -ENOMEM, OBJECT, "out of memory");
		goto out;
	}
	errno = 0;
	if (nft_run_cmd_from_buffer(ctx, commands)) {
		code = errno == EPERM || errno == ENOMEM ? -errno : -EIO;
		first_line(why, sizeof(why), nft_ctx_get_error_buffer(ctx));
		pcc_err_set(err, code, OBJECT, "%s", why);
		pcc_err_hint(err, code,
			"as root, on a kernel with nf_tables: `modprobe -a nf_tables nft_chain_nat "
			"nft_masq nft_fib_inet nft_ct`; or use --no-nat");
		goto out;
	}
	if (output) {
		*output = strdup(nft_ctx_get_output_buffer(ctx));
		if (!*output)
			code = pcc_err_set(err, -ENOMEM, OBJECT, "out of memory");
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
		fprintf(stale->out, "delete chain inet " TABLE " %s\n", name);
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
		code = run(all, NULL, NULL);
	free(all);
	all = NULL;
	if (!code)
		return 0;
	if (asprintf(&all, "add table inet " TABLE "\ndelete table inet " TABLE "\n%s", text) < 0)
		return pcc_err_set(err, -ENOMEM, OBJECT, "out of memory");
	code = run(all, NULL, err);
	free(all);
	return code;
}

int pcc_nat_apply(const struct pcc_nat_cfg *cfg, bool *changed, struct pcc_err *err)
{
	struct identity want = {0}, have;
	char *text;
	bool done = false;
	int present, code = render(cfg, &text, &want, err);

	if (code)
		return code;
	present = read_identity(&have, err);
	if (present < 0) {
		code = present;
	} else if (!text) {
		code = present ? run("delete table inet " TABLE, NULL, err) : 0;
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
	struct identity have;

	return read_identity(&have, err);
}

int pcc_nat_matches(const struct pcc_nat_cfg *cfg, struct pcc_err *err)
{
	struct identity want = {0}, have;
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

int pcc_nat_current(char **listing, struct pcc_err *err)
{
	int present = pcc_nat_present(err);

	*listing = NULL;
	if (present < 0)
		return present;
	if (!present)
		return pcc_err_set(err, -ENOENT, OBJECT, "there is no such table");
	return run("list table inet " TABLE, listing, err);
}
#endif
