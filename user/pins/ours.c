// SPDX-License-Identifier: GPL-2.0-only
/* Recognises our programs by their names and maps. */
#include "pins/ours.h"

#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

uint32_t pcc_map_id(int fd)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

bool pcc_prog_uses_map(int fd, uint32_t map_id)
{
	uint32_t maps[64] = {0}, len = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = 64, .map_ids = (uintptr_t)maps};

	if (!map_id || bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	for (uint32_t i = 0; i < info.nr_map_ids && i < 64; i++)
		if (maps[i] == map_id)
			return true;
	return false;
}

static bool has_our_name(int fd)
{
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && !strncmp(info.name, "pcc_", 4);
}

bool pcc_prog_is_pccbpf(uint32_t id)
{
	int fd = bpf_prog_get_fd_by_id(id);
	bool is = fd >= 0 && has_our_name(fd);

	if (fd >= 0)
		close(fd);
	return is;
}

bool pcc_prog_is_ours(struct pcc_dp *dp, uint32_t id)
{
	int fd = bpf_prog_get_fd_by_id(id);
	bool ours =
		fd >= 0 && has_our_name(fd) &&
		(dp->any_instance || pcc_prog_uses_map(fd, pcc_map_id(dp->map_fd[PCC_MAP_META])));

	if (fd >= 0)
		close(fd);
	return ours;
}
