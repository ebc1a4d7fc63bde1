// SPDX-License-Identifier: GPL-2.0-only
/* The functions that read the keys of policies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/conf_read.h"

int pcc_read_policy_name(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;

	return pcc_parse_name(v->word, v->key->name, policy->name, r->err);
}

int pcc_read_policy_source(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;

	policy->has_source = true;
	return pcc_parse_prefix(v->word, v->key->name, &policy->source, r->err);
}

int pcc_read_policy_destination(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	int ret = pcc_parse_prefix(v->word, v->key->name, &policy->destination, r->err);

	policy->has_destination = true;
	if (ret || !policy->has_source || policy->source.family == policy->destination.family)
		return ret;
	pcc_err_set(r->err, -EINVAL, v->key->name, "'%s' is of the other family than the source",
		v->word);
	return pcc_err_hint(r->err, -EINVAL, "IPv4 with IPv4, IPv6 with IPv6");
}

int pcc_read_policy_destination_file(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	int ret = pcc_parse_path(v->word, v->key->name, policy->destination_file,
		sizeof(policy->destination_file), r->err);

	if (!ret && policy->has_destination) {
		ret = pcc_err_set(r->err, -EINVAL, v->key->name,
			"'%s' comes on top of a destination", v->word);
		return pcc_err_hint(r->err, ret, "write the one or the other");
	}
	if (!ret && r->check == PCC_CONF_FILES && access(policy->destination_file, R_OK))
		ret = pcc_err_set(
			r->err, -EINVAL, v->key->name, "'%s': %s", v->word, strerror(errno));
	return ret;
}

int pcc_read_policy_protocol(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	int ret = pcc_parse_proto(v->word, v->key->name, &policy->proto, r->err);

	if (ret || policy->proto)
		return ret;
	pcc_err_set(r->err, -EINVAL, v->key->name, "'%s' cannot be matched", v->word);
	return pcc_err_hint(r->err, -EINVAL, "leave it out for any protocol");
}

/* Refuses ports unless the protocol is one that has ports (TCP, UDP and similar). */
static int check_ports(struct pcc_reader *r, const struct pcc_value *v)
{
	const struct pcc_policy_conf *policy = v->model;
	static const uint8_t with_ports[] = {
		0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP};
	char name[PCC_PROTO_NAME_MAX];

	if (memchr(with_ports, policy->proto, sizeof(with_ports)))
		return 0;
	return pcc_err_set(r->err, -EINVAL, v->key->name, "'%s' makes no sense: %s has no ports",
		v->word, pcc_proto_name(policy->proto, name));
}

int pcc_read_policy_source_port(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	int ret = pcc_parse_ports(
		v->word, v->key->name, &policy->sport_min, &policy->sport_max, r->err);

	return ret ? ret : check_ports(r, v);
}

int pcc_read_policy_destination_port(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	int ret = pcc_parse_ports(
		v->word, v->key->name, &policy->dport_min, &policy->dport_max, r->err);

	return ret ? ret : check_ports(r, v);
}

int pcc_read_policy_dscp(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;

	return pcc_parse_dscp(v->word, v->key->name, &policy->dscp, r->err);
}

int pcc_read_policy_lan(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	const struct pcc_config *cfg = &r->conf->base;
	const char *names[PCC_MAX_LANS];
	int ret = pcc_parse_ifname(v->word, v->key->name, policy->lan, r->err);

	if (ret || pcc_config_find_lan(cfg, v->word))
		return ret;
	for (uint32_t i = 0; i < cfg->nlans; i++)
		names[i] = cfg->lans[i].name;
	return pcc_read_unknown(r, "LAN", v->word, names, cfg->nlans);
}

int pcc_read_policy_use(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	const struct pcc_conf *conf = r->conf;
	const char *names[PCC_MAX_WANS + PCC_MAX_GROUPS + 2] = {"bypass", "reject"};
	int wan = pcc_conf_find_wan(conf, v->word);
	size_t n = 2;

	for (uint32_t i = 0; i < 2; i++) {
		policy->action = i ? PCC_POLICY_REJECT : PCC_POLICY_BYPASS;
		if (!strcmp(v->word, names[i]))
			return 0;
	}
	policy->action = PCC_POLICY_GROUP;
	for (uint32_t i = 0; i < conf->ngroups; i++) {
		policy->target = i;
		if (!strcmp(v->word, conf->groups[i].name))
			return 0;
		names[n++] = conf->groups[i].name;
	}
	policy->action = PCC_POLICY_WAN;
	policy->target = (uint32_t)wan;
	if (wan >= 0)
		return 0;
	for (uint32_t i = 0; i < conf->base.nwans; i++)
		names[n++] = conf->wans[i].name;
	return pcc_read_unknown(r, "WAN or group", v->word, names, n);
}

/* Refuses a key that only makes sense if the policy leads to a WAN. */
static int wants_wan(struct pcc_reader *r, const struct pcc_value *v)
{
	const struct pcc_policy_conf *policy = v->model;

	if (policy->action == PCC_POLICY_GROUP || policy->action == PCC_POLICY_WAN)
		return 0;
	pcc_err_set(r->err, -EINVAL, v->key->name, "makes no sense with '%s'",
		pcc_node_under(v->map, "use")->text);
	return pcc_err_hint(r->err, -EINVAL, "leave it out");
}

int pcc_read_policy_strict(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	int ret = pcc_parse_bool(v->word, v->key->name, &policy->strict, r->err);

	return ret ? ret : wants_wan(r, v);
}

int pcc_read_policy_sticky(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	uint32_t sticky;
	int ret = pcc_parse_keyword(v->word, v->key->name, pcc_sticky_names, 3, &sticky, r->err);

	if (!ret)
		policy->sticky = sticky;
	return ret ? ret : wants_wan(r, v);
}

int pcc_read_policy_sticky_time(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_policy_conf *policy = v->model;
	uint32_t ms;
	int ret = pcc_parse_duration(v->word, v->key->name, 1000, 7 * 86400000u, &ms, r->err);

	if (ret)
		return ret;
	policy->sticky_s = ms / 1000;
	if (policy->sticky != PCC_STICKY_NONE)
		return 0;
	pcc_err_set(r->err, -EINVAL, v->key->name, "'%s' makes no sense without 'sticky'", v->word);
	return pcc_err_hint(r->err, -EINVAL, "add sticky: source");
}

int pcc_read_policy(struct pcc_reader *r, const struct pcc_value *v)
{
	struct pcc_conf *conf = v->model;
	struct pcc_policy_conf *policy = &conf->policies[v->i];
	const struct pcc_node *name = pcc_node_under(v->node, "name");
	int ret;

	snprintf(policy->name, sizeof(policy->name), "policy-%u", v->i + 1);
	policy->sport_max = policy->dport_max = UINT16_MAX;
	policy->dscp = -1;
	policy->sticky_s = PCC_DEF_STICKY_S;
	ret = pcc_read_map(r, v->key->keys, v->node, policy);
	conf->npolicies = v->i + 1;
	for (uint32_t k = 0; !ret && k < v->i; k++) {
		if (strcmp(conf->policies[k].name, policy->name) != 0)
			continue;
		ret = pcc_err_set(r->err, -EINVAL, "name", "'%s' is there twice", policy->name);
		pcc_err_hint(r->err, ret, "counters are told apart by the names of policies");
		ret = pcc_read_blame(r, ret, name ? name : v->node);
	}
	return ret;
}

int pcc_begin_policies(struct pcc_reader *r, const struct pcc_value *v)
{
	const struct pcc_node *first_too_many = NULL;
	struct pcc_conf *conf = v->model;
	uint32_t n = 0;

	for (const struct pcc_node *i = v->node->first; i; i = i->next)
		if (n++ == PCC_MAX_POLICIES)
			first_too_many = i;
	if (first_too_many) {
		pcc_err_set(r->err, -EINVAL, "policies", "'%u' are too many, there can be %u", n,
			PCC_MAX_POLICIES);
		return pcc_read_blame(r, -EINVAL, first_too_many);
	}
	conf->policies = calloc(n, sizeof(*conf->policies));
	return conf->policies ? 0 : pcc_err_set(r->err, -ENOMEM, r->name, "out of memory");
}
