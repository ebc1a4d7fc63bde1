// SPDX-License-Identifier: GPL-2.0-only
#include "cli/flowtable_status.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmds.h"

void pcc_flowtable_status_read(struct pcc_flowtable_status *st, struct pcc_session *s)
{
	memset(st, 0, sizeof(*st));
	if (pcc_flowtable_dump(&st->list) || !st->list.n)
		return;
	pcc_link_dump(&s->nl, &st->links, NULL);
	pcc_offload_count(&s->dp, st->by_wan);
}

void pcc_flowtable_status_free(struct pcc_flowtable_status *st)
{
	pcc_flowtable_list_free(&st->list);
	pcc_link_list_free(&st->links);
}

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

void pcc_flowtable_status_json(
	const struct pcc_flowtable_status *st, uint32_t ifindex, uint32_t wan_id, struct json_t *to)
{
	const struct pcc_offloaded *o = &st->by_wan[wan_id];
	bool known = o->counted || !o->connections;
	struct pcc_flowtable_use use;
	json_t *more;

	pcc_flowtable_use_of(&st->list, &st->links, ifindex, &use);
	more = json_pack("{s:s, s:s, s:b}", "flowtable", use.table ? use.table->name : "",
		"flowtable_device", use.device, "flowtable_unseen", use.unseen);
	json_object_update(to, more);
	json_decref(more);
	if (!wan_id)
		return;
	more = json_pack("{s:I, s:o, s:o}", "offloaded", (json_int_t)o->connections,
		"offloaded_unseen_packets", number_or_null(known, o->packets),
		"offloaded_unseen_bytes", number_or_null(known, o->bytes));
	json_object_update(to, more);
	json_decref(more);
}

static void offloaded_print(const struct pcc_offloaded *o, const char *ifname)
{
	char bytes[16];

	printf("%s: %llu connection%s offloaded to a flowtable", ifname,
		(unsigned long long)o->connections, o->connections == 1 ? " is" : "s are");
	if (!o->counted)
		printf("; what pccbpf does not see of them is not counted (it is with `counter` in "
		       "the flowtable and net.netfilter.nf_conntrack_acct=1)");
	else if (o->packets)
		printf("; pccbpf has not seen %llu of their packets (%s)",
			(unsigned long long)o->packets, pcc_bytes_text(o->bytes, bytes));
	printf("\n");
}

void pcc_flowtable_status_print(const struct pcc_flowtable_status *st, const char *ifname,
	uint32_t ifindex, uint32_t wan_id)
{
	char text[PCC_FLOWTABLE_TEXT], hint[PCC_FLOWTABLE_TEXT];
	struct pcc_flowtable_use use;

	pcc_flowtable_use_of(&st->list, &st->links, ifindex, &use);
	pcc_flowtable_text(&use, ifname, text, hint);
	if (text[0])
		printf("%s: %s%s%s%s\n", ifname, text, hint[0] ? " (" : "", hint,
			hint[0] ? ")" : "");
	if (wan_id && st->by_wan[wan_id].connections)
		offloaded_print(&st->by_wan[wan_id], ifname);
}
