// SPDX-License-Identifier: GPL-2.0-only
/* Opens and closes a session. */
#include "engine/session.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <unistd.h>

int pcc_session_open(struct pcc_session *s, const char *dir, enum pcc_session_mode mode,
	unsigned int wait_s, struct pcc_err *err)
{
	int ret;

	memset(s, 0, sizeof(*s));
	if (dir && strlen(dir) >= sizeof(s->dp.dir)) {
		pcc_err_set(err, -ENAMETOOLONG, "--bpffs", "'%.40s...' is too long", dir);
		return pcc_err_hint(
			err, -ENAMETOOLONG, "at most %zu characters", sizeof(s->dp.dir) - 1);
	}
	pcc_dp_init(&s->dp, dir);
	if (geteuid()) {
		pcc_err_set(err, -EPERM, "permission", "pccbpf must run as root");
		return pcc_err_hint(err, -EPERM, "sudo pccbpf ...");
	}
	ret = pcc_nl_open(&s->nl, NETLINK_ROUTE);
	if (ret)
		return pcc_err_set(err, ret, "netlink", "%s", strerror(-ret));
	if (mode != PCC_SESSION_READ) {
		ret = pcc_dp_lock(&s->dp, mode == PCC_SESSION_CREATE, wait_s, err);
		if (ret && (ret != -ENOENT || err->object[0]))
			return ret;
	}
	s->state = pcc_dp_open(&s->dp, &s->why);
	/*
	 * A reader may see this state while a command is running, and then it is not interrupted,
	 * only not done.
	 */
	if (s->state == PCC_DP_INCOMPLETE && mode == PCC_SESSION_READ &&
		pcc_dp_lock(&s->dp, false, 0, NULL) == -EBUSY) {
		pcc_err_set(&s->why, -EBUSY, s->dp.dir, "pccbpf attach or detach is at work here");
		pcc_err_hint(&s->why, -EBUSY, "ask again when it has ended");
	}
	if (s->state != PCC_DP_ATTACHED)
		return 0;
	ret = pcc_dp_config(&s->dp, &s->cfg, err);
	if (!ret)
		return 0;
	s->state = PCC_DP_DAMAGED;
	s->why = *err;
	pcc_err_hint(&s->why, ret, "pccbpf detach --force removes what is recognised");
	return 0;
}

void pcc_session_close(struct pcc_session *s)
{
	pcc_nl_close(&s->nl);
	if (s->dp.dir[0])
		pcc_dp_close(&s->dp);
}
