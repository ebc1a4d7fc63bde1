// SPDX-License-Identifier: GPL-2.0-only
#include "engine/plan_print.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "kernel/route_text.h"

/* A program that comes or goes. */
static void program_print(const struct pcc_op *op, FILE *out)
{
	static const char *const progs[] = {
#define X(sym, name) #name,
		PCC_PROGS(X)
#undef X
	};

	switch (op->kind) {
	case PCC_OP_HOOK_ON:
		fprintf(out, "tc attach dev %s %s %s\n", op->hook.ifname,
			op->hook.dir == PCC_HOOK_IN ? "ingress" : "egress", progs[op->hook.prog]);
		break;
	case PCC_OP_HOOK_OFF:
		fprintf(out, "tc detach dev %s %s\n", op->hook.ifname,
			op->hook.dir == PCC_HOOK_IN ? "ingress" : "egress");
		break;
	case PCC_OP_XDP_ON:
		fprintf(out, "xdp attach dev %s pcc_fast\n", op->hook.ifname);
		break;
	case PCC_OP_XDP_OFF:
		fprintf(out, "xdp detach dev %s pcc_fast\n", op->hook.ifname);
		break;
	case PCC_OP_XDP_SEND:
		fprintf(out, "maps: XDP sends to %s, if its driver takes that now\n",
			op->hook.ifname);
		break;
	case PCC_OP_NEXTHOP_ON:
		fprintf(out, "bpf: watch neighbours that change their MAC\n");
		break;
	case PCC_OP_NEXTHOP_OFF:
		fprintf(out, "bpf: watch neighbours no longer\n");
		break;
	case PCC_OP_OWN_ON:
	case PCC_OP_OWN_OFF:
		fprintf(out, "cgroup %s pcc_connect4, pcc_connect6\n",
			op->kind == PCC_OP_OWN_ON ? "attach" : "detach");
		break;
	default:
		break;
	}
}

static void op_print(const struct pcc_op *op, FILE *out)
{
	char text[256];
	const char *v6 = op->route.family == AF_INET6 || op->rule.family == AF_INET6 ? " -6" : "";

	switch (op->kind) {
	case PCC_OP_SYSCTL:
		fprintf(out, "sysctl -w %s=%s    # is %s\n", op->sysctl.path, op->sysctl.value,
			op->sysctl.old);
		break;
	case PCC_OP_SYSCTL_BACK:
		fprintf(out, "sysctl -w %s=%s    # as it was\n", op->sysctl.path, op->sysctl.value);
		break;
	case PCC_OP_ROUTE_ADD:
		fprintf(out, "ip%s route %s %s\n", v6, op->replaces ? "replace" : "add",
			pcc_route_format(text, sizeof(text), &op->route));
		break;
	case PCC_OP_ROUTE_DEL:
		fprintf(out, "ip%s route del %s\n", v6,
			pcc_route_format(text, sizeof(text), &op->route));
		break;
	case PCC_OP_RULE_ADD:
	case PCC_OP_RULE_DEL:
		fprintf(out, "ip%s rule %s %s\n", v6, op->kind == PCC_OP_RULE_ADD ? "add" : "del",
			pcc_rule_format(text, sizeof(text), &op->rule));
		break;
	case PCC_OP_NAT_FIRST:
	case PCC_OP_NAT_LAST:
		fprintf(out, "nft replace table inet pccbpf\n");
		break;
	case PCC_OP_HOOK_ON:
	case PCC_OP_HOOK_OFF:
	case PCC_OP_XDP_ON:
	case PCC_OP_XDP_OFF:
	case PCC_OP_XDP_SEND:
	case PCC_OP_NEXTHOP_ON:
	case PCC_OP_NEXTHOP_OFF:
	case PCC_OP_OWN_ON:
	case PCC_OP_OWN_OFF:
		program_print(op, out);
		break;
	case PCC_OP_COMMIT:
		fprintf(out, "maps: write WANs, interfaces and bucket tables, switch to them\n");
		break;
	case PCC_OP_RELEASE:
		fprintf(out, "release the connections of %s\n", op->wan_name);
		break;
	}
}

void pcc_plan_print(const struct pcc_plan *plan, FILE *out)
{
	if (!plan->n)
		fprintf(out, "nothing to do\n");
	for (size_t i = 0; i < plan->n; i++)
		op_print(&plan->ops[i], out);
}
