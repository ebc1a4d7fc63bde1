// SPDX-License-Identifier: GPL-2.0-only
#include "engine/plan_print.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "kernel/route_text.h"

/* A program that comes or goes. */
static void program_print(const struct pcc_step *step, FILE *out)
{
	static const char *const progs[] = {
#define X(sym, name) #name,
		PCC_PROGS(X)
#undef X
	};

	switch (step->kind) {
	case PCC_STEP_HOOK_ON:
		fprintf(out, "tc attach dev %s %s %s\n", step->hook.ifname,
			step->hook.dir == PCC_HOOK_IN ? "ingress" : "egress",
			progs[step->hook.prog]);
		break;
	case PCC_STEP_HOOK_OFF:
		fprintf(out, "tc detach dev %s %s\n", step->hook.ifname,
			step->hook.dir == PCC_HOOK_IN ? "ingress" : "egress");
		break;
	case PCC_STEP_XDP_ON:
		fprintf(out, "xdp attach dev %s pcc_fast\n", step->hook.ifname);
		break;
	case PCC_STEP_XDP_OFF:
		fprintf(out, "xdp detach dev %s pcc_fast\n", step->hook.ifname);
		break;
	case PCC_STEP_XDP_SEND:
		fprintf(out, "maps: XDP sends to %s, if its driver takes that now\n",
			step->hook.ifname);
		break;
	case PCC_STEP_NEXTHOP_ON:
		fprintf(out, "bpf: watch neighbours that change their MAC\n");
		break;
	case PCC_STEP_NEXTHOP_OFF:
		fprintf(out, "bpf: watch neighbours no longer\n");
		break;
	case PCC_STEP_OWN_ON:
	case PCC_STEP_OWN_OFF:
		fprintf(out, "cgroup %s pcc_connect4, pcc_connect6\n",
			step->kind == PCC_STEP_OWN_ON ? "attach" : "detach");
		break;
	default:
		break;
	}
}

static void step_print(const struct pcc_step *step, FILE *out)
{
	char text[256];
	const char *v6 =
		step->route.family == AF_INET6 || step->rule.family == AF_INET6 ? " -6" : "";

	switch (step->kind) {
	case PCC_STEP_SYSCTL:
		fprintf(out, "sysctl -w %s=%s    # is %s\n", step->sysctl.path, step->sysctl.value,
			step->sysctl.old);
		break;
	case PCC_STEP_SYSCTL_BACK:
		fprintf(out, "sysctl -w %s=%s    # as it was\n", step->sysctl.path,
			step->sysctl.value);
		break;
	case PCC_STEP_ROUTE_ADD:
		fprintf(out, "ip%s route %s %s\n", v6, step->replaces ? "replace" : "add",
			pcc_route_format(text, sizeof(text), &step->route));
		break;
	case PCC_STEP_ROUTE_DEL:
		fprintf(out, "ip%s route del %s\n", v6,
			pcc_route_format(text, sizeof(text), &step->route));
		break;
	case PCC_STEP_RULE_ADD:
	case PCC_STEP_RULE_DEL:
		fprintf(out, "ip%s rule %s %s\n", v6,
			step->kind == PCC_STEP_RULE_ADD ? "add" : "del",
			pcc_rule_format(text, sizeof(text), &step->rule));
		break;
	case PCC_STEP_NAT_FIRST:
	case PCC_STEP_NAT_LAST:
		fprintf(out, "nft replace table inet pccbpf\n");
		break;
	case PCC_STEP_HOOK_ON:
	case PCC_STEP_HOOK_OFF:
	case PCC_STEP_XDP_ON:
	case PCC_STEP_XDP_OFF:
	case PCC_STEP_XDP_SEND:
	case PCC_STEP_NEXTHOP_ON:
	case PCC_STEP_NEXTHOP_OFF:
	case PCC_STEP_OWN_ON:
	case PCC_STEP_OWN_OFF:
		program_print(step, out);
		break;
	case PCC_STEP_COMMIT:
		fprintf(out, "maps: write WANs, interfaces and bucket tables, switch to them\n");
		break;
	case PCC_STEP_RELEASE:
		fprintf(out, "release the connections of %s\n", step->wan_name);
		break;
	}
}

void pcc_plan_print(const struct pcc_plan *plan, FILE *out)
{
	if (!plan->n)
		fprintf(out, "nothing to do\n");
	for (size_t i = 0; i < plan->n; i++)
		step_print(&plan->steps[i], out);
}
