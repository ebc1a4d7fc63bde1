// SPDX-License-Identifier: GPL-2.0-only
#include "kernel/nat_text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"

#define CHAIN_POST "postrouting"
#define CHAIN_LOCAL "local_in"

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
		return pcc_err_set(err, -EINVAL, PCC_NAT_OBJECT, "%u WANs, at most %u", cfg->nwans,
			PCC_MAX_WANS);
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
	return cfg->nwans && (cfg->nat4 || cfg->nat6 || cfg->write_ctmark || cfg->answer_mark);
}

/* Counts the rules while they are written. */
static uint32_t rule(FILE *out, const char *text)
{
	fprintf(out, "\t\t%s\n", text);
	return 1;
}

/*
 * The chain of what leaves by one WAN. A source address that belongs to that interface is right
 * already, so only other people's are masqueraded: the LAN's, and what the router itself sends from
 * another WAN's address. What is forwarded has no address of the router's as its source, and is not
 * asked for it; the outside of a tunnel, which IPsec puts around what is forwarded, still has the
 * LAN as the interface that it came in by, and is known by its protocol (ESP, AH, UDP 4500). What
 * an IPsec policy takes is left as it is: with another source the policy would not take it any
 * more, and it would leave in clear.
 */
static uint32_t write_out_chain(
	FILE *out, const struct pcc_nat_cfg *cfg, const struct pcc_nat_wan *w)
{
	uint32_t n = 0;

	fprintf(out, "\tchain out_%u {\n", w->id);
	if (cfg->ipsec && (cfg->nat4 || cfg->nat6))
		n += rule(out, "rt ipsec exists accept");
	if (cfg->nat4 || cfg->nat6) {
		n += rule(out, "iif 0 fib saddr . oif type local accept");
		n += rule(out, "meta l4proto { 50, 51 } fib saddr . oif type local accept");
		n += rule(out, "udp sport 4500 fib saddr . oif type local accept");
	}
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
		~cfg->mark_mask, w->mark | cfg->answer_mark);
	return 1;
}

/*
 * What came in by a WAN is answered by it, on whichever interface the answer arrives and whatever
 * route leads to the client. The first packet leaves the WAN's id and the bit of answers in the
 * connection's mark. An answer that main would send elsewhere gets both in its own mark, and then
 * our rules pass main by; where main leads to the right WAN its routes stand, since the client may
 * be a neighbour there. After routing the bit has done its work.
 */
static uint32_t write_answer_chains(
	FILE *out, const struct pcc_nat_cfg *cfg, const struct pcc_nat_wan *w)
{
	uint32_t mark = w->mark | cfg->answer_mark;

	fprintf(out, "\tchain arrived_%u {\n\t\tct mark set ct mark & 0x%08x | 0x%08x\n\t}\n",
		w->id, ~cfg->mark_mask, mark);
	fprintf(out,
		"\tchain answer_%u {\n\t\tfib daddr oifname \"%s\" accept\n"
		"\t\tmeta mark set meta mark & 0x%08x | 0x%08x\n\t}\n",
		w->id, w->name, ~cfg->mark_mask, mark);
	fprintf(out,
		"\tchain own_answer_%u {\n\t\toifname \"%s\" accept\n"
		"\t\tmeta mark set meta mark & 0x%08x | 0x%08x\n\t}\n",
		w->id, w->name, ~cfg->mark_mask, mark);
	return 5;
}

/* Chain `name`: by the connection's mark to the chain of its WAN. A packet that finds no map, as in
 * postrouting, is compared with each. */
static uint32_t write_answer_dispatch(
	FILE *out, const struct pcc_nat_cfg *cfg, const char *name, const char *to)
{
	fprintf(out, "\tchain %s {\n\t\tct mark & 0x%08x vmap {", name, cfg->mark_mask);
	for (uint32_t i = 0; i < cfg->nwans; i++)
		fprintf(out, "%s 0x%08x : goto %s_%u", i ? "," : "",
			cfg->wans[i].mark | cfg->answer_mark, to, cfg->wans[i].id);
	fprintf(out, " }\n");
	for (uint32_t i = 0; i < cfg->nwans; i++)
		fprintf(out, "\t\tct mark & 0x%08x == 0x%08x goto %s_%u\n", cfg->mark_mask,
			cfg->wans[i].mark | cfg->answer_mark, to, cfg->wans[i].id);
	fprintf(out, "\t}\n");
	return 1 + cfg->nwans;
}

static uint32_t write_answers(FILE *out, const struct pcc_nat_cfg *cfg)
{
	uint32_t bit = cfg->answer_mark, n = 0;

	for (uint32_t i = 0; i < cfg->nwans; i++)
		n += write_answer_chains(out, cfg, &cfg->wans[i]);
	n += write_answer_dispatch(out, cfg, "answer", "answer");
	n += write_answer_dispatch(out, cfg, "own_answer", "own_answer");
	fprintf(out,
		"\tchain prerouting {\n"
		"\t\ttype filter hook prerouting priority -149; policy accept;\n"
		"\t\tct mark & 0x%08x == 0x%08x ct direction reply goto answer\n"
		"\t\tct state new iifname vmap {",
		bit, bit);
	for (uint32_t i = 0; i < cfg->nwans; i++)
		fprintf(out, "%s \"%s\" : goto arrived_%u", i ? "," : "", cfg->wans[i].name,
			cfg->wans[i].id);
	fprintf(out,
		" }\n\t}\n"
		"\tchain output {\n"
		"\t\ttype route hook output priority -149; policy accept;\n"
		"\t\tct mark & 0x%08x == 0x%08x ct direction reply goto own_answer\n\t}\n"
		"\tchain routed {\n"
		"\t\ttype filter hook postrouting priority -151; policy accept;\n"
		"\t\tmeta mark & 0x%08x == 0x%08x meta mark set meta mark & 0x%08x\n\t}\n",
		bit, bit, bit, bit, ~bit);
	return n + 4;
}

/* By the name of the interface (by: "i" or "o") to chain TO_id. comment: NULL for none. */
static uint32_t write_dispatch(FILE *out, const struct pcc_nat_cfg *cfg, const char *by,
	const char *to, const char *comment)
{
	uint32_t i;

	fprintf(out, "\t\t%sifname vmap {", by);
	for (i = 0; i < cfg->nwans; i++)
		fprintf(out, "%s \"%s\" : jump %s_%u", i ? "," : "", cfg->wans[i].name, to,
			cfg->wans[i].id);
	fprintf(out, " }");
	if (comment)
		fprintf(out, " comment \"%s\"", comment);
	fprintf(out, "\n");
	return 1;
}

/*
 * Marks for connections where the data plane cannot write them. The chains are of type filter: one
 * of type nat is not asked when a chain of the user's has translated the connection before.
 */
static uint32_t write_marks(FILE *out, const struct pcc_nat_cfg *cfg)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < cfg->nwans; i++, n++)
		fprintf(out,
			"\tchain mark_%u {\n\t\tmeta mark & 0x%08x == 0x%08x ct mark set ct mark & 0x%08x | "
			"0x%08x\n\t}\n",
			cfg->wans[i].id, cfg->mark_mask, cfg->wans[i].mark, ~cfg->mark_mask,
			cfg->wans[i].mark);
	fprintf(out, "\tchain marks {\n"
		     "\t\ttype filter hook postrouting priority 99; policy accept;\n");
	n += rule(out, "ct state != new accept");
	n += write_dispatch(out, cfg, "i", "in", NULL);
	n += write_dispatch(out, cfg, "o", "mark", NULL);
	fprintf(out, "\t}\n\tchain " CHAIN_LOCAL " {\n"
		     "\t\ttype filter hook input priority 99; policy accept;\n");
	n += rule(out, "ct state != new accept");
	n += write_dispatch(out, cfg, "i", "in", NULL);
	fprintf(out, "\t}\n");
	return n;
}

/*
 * Chains of type nat see the first packet of a connection only, so established ones pay nothing. A
 * connection that comes in by a WAN to the router itself never gets to postrouting: chain local_in
 * marks it. The dispatch by name is one hash look-up however many WANs. A packet that is looked up
 * just when the rules are switched finds nothing in the old ones' map, and a connection without NAT
 * has none for good; so what was not found is compared name by name. The user's own rules stand at
 * priority srcnat, 100, whenever they were loaded: ours come after them, and see what those left.
 */
static uint32_t write_chains(FILE *out, const struct pcc_nat_cfg *cfg, const char *comment)
{
	uint32_t i, n = 0;

	for (i = 0; i < cfg->nwans; i++) {
		n += write_out_chain(out, cfg, &cfg->wans[i]);
		if (cfg->write_ctmark)
			n += write_in_chain(out, cfg, &cfg->wans[i]);
	}
	if (cfg->answer_mark)
		n += write_answers(out, cfg);
	fprintf(out, "\tchain " CHAIN_POST " {\n"
		     "\t\ttype nat hook postrouting priority 101; policy accept;\n");
	n += write_dispatch(out, cfg, "o", "out", comment);
	for (i = 0; i < cfg->nwans; i++, n++)
		fprintf(out, "\t\toifname \"%s\" jump out_%u\n", cfg->wans[i].name,
			cfg->wans[i].id);
	fprintf(out, "\t}\n");
	if (cfg->write_ctmark)
		n += write_marks(out, cfg);
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
static char *render_chains(const struct pcc_nat_cfg *cfg, struct pcc_nat_identity *id)
{
	char *chains = chains_text(cfg, NULL, &id->nrules);

	if (!chains)
		return NULL;
	snprintf(id->comment, sizeof(id->comment), PCC_NAT_COMMENT "%016llx",
		(unsigned long long)pcc_fnv1a(PCC_FNV1A_BASIS, chains, strlen(chains)));
	free(chains);
	return chains_text(cfg, id->comment, &id->nrules);
}

/*
 * The chains stay, their rules are replaced. Between a base chain that is deleted and another that
 * is made in the same transaction a packet can get through without NAT: the new one is asked first,
 * before the rules are switched, and the old one after that. Earlier versions had it at priority
 * 100: there the table is made anew, and nothing gets through, since the old chain is asked first.
 */
int pcc_nat_render(const struct pcc_nat_cfg *cfg, char **text, struct pcc_nat_identity *id,
	struct pcc_err *err)
{
	char *chains;
	int code = check(cfg, err);

	*text = NULL;
	if (code || !needed(cfg))
		return code;
	chains = render_chains(cfg, id);
	if (!chains || asprintf(text,
			       "add table inet " PCC_NAT_TABLE "\n"
			       "flush table inet " PCC_NAT_TABLE "\n"
			       "table inet " PCC_NAT_TABLE " {\n"
			       "%s"
			       "}\n",
			       chains) < 0) {
		*text = NULL;
		code = -ENOMEM;
	}
	free(chains);
	if (code)
		return pcc_err_set(err, code, PCC_NAT_OBJECT, "out of memory");
	return 0;
}
