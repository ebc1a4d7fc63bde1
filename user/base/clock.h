/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system's clocks as one number. Nothing here reports errors, because clock_gettime(2) cannot
 * fail for the clocks used.
 */
#ifndef PCC_CLOCK_H
#define PCC_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t pcc_clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/*
 * CLOCK_MONOTONIC in nanoseconds, the clock of bpf_ktime_get_ns(). It does not advance while the
 * machine is suspended.
 */
static inline uint64_t pcc_now_ns(void)
{
	return pcc_clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t pcc_now_us(void)
{
	return pcc_now_ns() / 1000;
}

static inline uint64_t pcc_now_ms(void)
{
	return pcc_now_ns() / 1000000;
}

#endif
