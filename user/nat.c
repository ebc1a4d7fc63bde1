// SPDX-License-Identifier: GPL-2.0-only
#include "nat.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

#define TABLE "pccbpf"
#define OBJECT "nftables table inet " TABLE
#define UDATA_COMMENT 0 /* libnftnl udata.h, NFTNL_UDATA_TABLE_COMMENT */

/* What identifies a ruleset of ours: the comment of the table and how many rules stand in it. */
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

static uint32_t write_dispatch(FILE *out, const struct pcc_nat_cfg *cfg, const char *direction)
{
	uint32_t i;

	fprintf(out, "\t\t%sifname vmap {", direction[0] == 'i' ? "i" : "o");
	for (i = 0; i < cfg->nwans; i++)
		fprintf(out, "%s \"%s\" : jump %s_%u", i ? "," : "", cfg->wans[i].name, direction,
			cfg->wans[i].id);
	fprintf(out, " }\n");
	return 1;
}

/*
 * Chains of type nat see the first packet of a connection only, so established ones pay nothing. A
 * connection that comes in by a WAN to the router itself never gets to postrouting: chain local_in
 * marks it. The dispatch by name is one hash look-up however many WANs.
 */
static uint32_t write_chains(FILE *out, const struct pcc_nat_cfg *cfg)
{
	uint32_t i, n = 0;

	for (i = 0; i < cfg->nwans; i++) {
		n += write_out_chain(out, cfg, &cfg->wans[i]);
		if (cfg->write_ctmark)
			n += write_in_chain(out, cfg, &cfg->wans[i]);
	}
	fprintf(out, "\tchain postrouting {\n"
		     "\t\ttype nat hook postrouting priority 100; policy accept;\n");
	if (cfg->write_ctmark)
		n += write_dispatch(out, cfg, "in");
	n += write_dispatch(out, cfg, "out");
	fprintf(out, "\t}\n");
	if (cfg->write_ctmark) {
		fprintf(out, "\tchain local_in {\n"
			     "\t\ttype nat hook input priority 100; policy accept;\n");
		n += write_dispatch(out, cfg, "in");
		fprintf(out, "\t}\n");
	}
	return n;
}

/* FNV-1a, 64 bits (draft-eastlake-fnv): no secret, only "is this the text that I would write". */
static uint64_t fnv1a(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return h;
}

/* The chains as text (allocated) and what identifies them. */
static int render_chains(const struct pcc_nat_cfg *cfg, char **chains, struct identity *id)
{
	size_t bytes;
	FILE *out = open_memstream(chains, &bytes);

	if (!out)
		return -ENOMEM;
	id->nrules = write_chains(out, cfg);
	if (fclose(out) != 0) {
		free(*chains);
		*chains = NULL;
		return -ENOMEM;
	}
	snprintf(id->comment, sizeof(id->comment), TABLE " %016llx",
		(unsigned long long)fnv1a(*chains));
	return 0;
}

static int render(
	const struct pcc_nat_cfg *cfg, char **text, struct identity *id, struct pcc_err *err)
{
	char *chains = NULL;
	int code = check(cfg, err);

	*text = NULL;
	if (code || !needed(cfg))
		return code;
	code = render_chains(cfg, &chains, id);
	if (!code && asprintf(text,
			     "add table inet " TABLE "\n"
			     "delete table inet " TABLE "\n"
			     "table inet " TABLE " {\n"
			     "\tcomment \"%s\"\n"
			     "%s"
			     "}\n",
			     id->comment, chains) < 0) {
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

/* The comment lives in the user data of the table, a list of type, length, value. */
static void udata_comment(const uint8_t *data, size_t bytes, struct identity *id)
{
	size_t at = 0;

	while (at + 2 <= bytes && at + 2 + data[at + 1] <= bytes) {
		if (data[at] == UDATA_COMMENT)
			snprintf(id->comment, sizeof(id->comment), "%.*s", (int)data[at + 1],
				(const char *)data + at + 2);
		at += 2 + (size_t)data[at + 1];
	}
}

static int on_table(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_USERDATA)
			udata_comment(
				mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), arg);
	}
	return 0;
}

/* Counts the rules of our table; the kernel filters by table, and is not trusted to. */
static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct identity *id = arg;
	const struct nlattr *attr;

	if (!nlh) {
		id->nrules = 0;
		return 0;
	}
	if (nlh->nlmsg_type != ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE))
		return 0;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_RULE_TABLE &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
			!strcmp(mnl_attr_get_str(attr), TABLE))
			id->nrules++;
	}
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
		code = pcc_nl_get(&nl, nlh, on_table, id);
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
		code = run(text, NULL, err);
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
