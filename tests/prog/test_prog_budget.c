// SPDX-License-Identifier: GPL-2.0-only
/*
 * The size of the programs: instructions that the verifier walked (the kernel's limit is a million)
 * and that it left, against the newest lines for this kernel in tests/insn-budget.txt. A program
 * that grows beyond it wants a look, and then a new number in that file.
 */
#include "harness.h"

#include <libgen.h>
#include <limits.h>

/* tests/insn-budget.txt, found from build/tests/ or from the current directory. */
static FILE *budget_open(void)
{
	char exe[PATH_MAX] = "", path[PATH_MAX + 64];
	FILE *f;

	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0) {
		snprintf(path, sizeof(path), "%s/../../tests/insn-budget.txt", dirname(exe));
		f = fopen(path, "r");
		if (f)
			return f;
	}
	return fopen("tests/insn-budget.txt", "r");
}

static bool budget_of(const char *name, uint32_t *verified, uint32_t *xlated)
{
	char line[256], prog[64];
	uint32_t walked, left;
	int major, minor;
	bool found = false;
	FILE *f = budget_open();

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%d.%d %63s %u %u", &major, &minor, prog, &walked, &left) != 5 ||
			strcmp(prog, name) || !kernel_since(major, minor))
			continue;
		*verified = walked;
		*xlated = left;
		found = true;
	}
	fclose(f);
	return found;
}

static void programs_stay_within_their_budget(void **state)
{
	int over = 0;

	(void)state;
	print_message("%-14s %10s %10s %10s %10s %10s\n", "program", "verified", "limit", "xlated",
		"limit", "jit bytes");
	for (int i = 0; i < PCC_PROG_MAX; i++) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info), verified = 0, xlated = 0, insns;

		assert_int_equal(bpf_obj_get_info_by_fd(B.prog[i], &info, &len), 0);
		insns = info.xlated_prog_len / sizeof(struct bpf_insn);
		if (!budget_of(prog_names[i], &verified, &xlated))
			fail_msg("tests/insn-budget.txt has no line for %s", prog_names[i]);
		print_message("%-14s %10u %10u %10u %10u %10u\n", prog_names[i],
			info.verified_insns, verified, insns, xlated, info.jited_prog_len);
		over += info.verified_insns > verified || insns > xlated;
	}
	assert_int_equal(over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_stay_within_their_budget),
	};

	programs_load(0, BPF_MAP_TYPE_LRU_HASH);
	return cmocka_run_group_tests(tests, NULL, bench_down);
}
