/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a loaded program here, instruction by instruction, on one packet and on copies of what its
 * maps hold: to see what the packet's way costs and which functions of the kernel it calls. Knows
 * what an established packet needs; anything else ends the test, with its number (bpf.h, enum
 * bpf_func_id). The instructions are those before the verifier, which puts a few loads in the place
 * of some calls.
 */
#ifndef TEST_EMULATE_H
#define TEST_EMULATE_H

#include "harness.h"
#include <stdlib.h>

#define EMU_STEPS_MAX 20000u
#define EMU_VALUES_MAX 48u
#define EMU_LINES_MAX 256u
#define EMU_FRAMES_MAX 8u
#define EMU_STACK 512u
#define EMU_CALLS_MAX 256u

/* A copy of a map's value. */
struct emu_value {
	int fd;
	uint32_t key_size, size;
	uint8_t key[64];
	uint8_t *at; /* NULL: not there */
};

struct emu {
	/* In. */
	const struct bpf_program *prog;
	uint8_t *data; /* the packet; may be changed */
	uint32_t len;
	uint32_t near; /* ifindex that it arrives on */
	bool xdp;      /* or tc */
	uint64_t now_ns;
	/* Out. */
	uint32_t steps;		       /* instructions */
	uint32_t lookups;	       /* of maps */
	uint32_t lines;		       /* of 64 bytes, in values of maps */
	uint32_t calls[EMU_CALLS_MAX]; /* of each helper */

	struct xdp_md xdp_ctx;
	struct __sk_buff skb;
	struct emu_value values[EMU_VALUES_MAX];
	uint32_t nvalues;
	uint64_t line[EMU_LINES_MAX];
	uint64_t r[11];
	struct {
		uint64_t kept[5]; /* r6 to r10 */
		uint32_t back;
	} frame[EMU_FRAMES_MAX];
	uint32_t nframes;
	uint64_t stack[EMU_FRAMES_MAX + 1][EMU_STACK / 8];
};

/* ---------------------------------------------------------------- maps */

static inline bool emu_is_per_cpu(uint32_t type)
{
	return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH;
}

static inline uint8_t *emu_value(struct emu *e, int fd, const void *key)
{
	struct bpf_map_info info = {};
	uint32_t len = sizeof(info), size;
	struct emu_value *v;

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	for (v = e->values; v < e->values + e->nvalues; v++)
		if (v->fd == fd && !memcmp(v->key, key, v->key_size))
			return v->at;
	assert_true(e->nvalues < EMU_VALUES_MAX && info.key_size <= sizeof(v->key));
	e->nvalues++;
	v->fd = fd;
	v->key_size = info.key_size;
	v->size = (info.value_size + 7) / 8 * 8;
	memcpy(v->key, key, info.key_size);
	size = v->size * (emu_is_per_cpu(info.type) ? B.ncpus : 1);
	v->at = aligned_alloc(64, (size + 63) / 64 * 64);
	assert_non_null(v->at);
	if (bpf_map_lookup_elem(fd, key, v->at)) {
		free(v->at);
		v->at = NULL;
	}
	return v->at;
}

/* Counts the cache line of an access to a value. */
static inline void emu_touch(struct emu *e, uint64_t at)
{
	for (uint32_t i = 0; i < e->nvalues; i++) {
		uint64_t begin = (uint64_t)e->values[i].at;

		if (!begin || at < begin || at >= begin + e->values[i].size)
			continue;
		for (uint32_t n = 0; n < e->lines; n++)
			if (e->line[n] == at / 64)
				return;
		assert_true(e->lines < EMU_LINES_MAX);
		e->line[e->lines++] = at / 64;
		return;
	}
}

/* ---------------------------------------------------------------- memory */

/* The words of a context that are pointers in 32 bits. 0: it is none of them. */
static inline uint64_t emu_ctx_pointer(struct emu *e, uint64_t at)
{
	uint64_t end = (uint64_t)e->data + e->len;

	if (e->xdp) {
		if (at == (uint64_t)&e->xdp_ctx.data)
			return (uint64_t)e->data;
		return at == (uint64_t)&e->xdp_ctx.data_end ? end : 0;
	}
	if (at == (uint64_t)&e->skb.data)
		return (uint64_t)e->data;
	return at == (uint64_t)&e->skb.data_end ? end : 0;
}

static inline uint32_t emu_size(uint8_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	}
	return 8;
}

static inline uint64_t emu_load(struct emu *e, uint64_t at, uint32_t size)
{
	uint64_t value = emu_ctx_pointer(e, at);

	if (value)
		return value;
	emu_touch(e, at);
	memcpy(&value, (const void *)at, size); /* little endian */
	return value;
}

static inline void emu_store(struct emu *e, uint64_t at, uint64_t value, uint32_t size)
{
	emu_touch(e, at);
	memcpy((void *)at, &value, size);
}

static inline void emu_atomic(struct emu *e, const struct bpf_insn *i)
{
	uint64_t at = e->r[i->dst_reg] + i->off, with = e->r[i->src_reg], old, result;
	uint32_t size = emu_size(i->code);

	old = emu_load(e, at, size);
	switch (i->imm & ~BPF_FETCH) {
	case BPF_ADD:
		result = old + with;
		break;
	case BPF_XCHG & ~BPF_FETCH:
		result = with;
		break;
	case BPF_CMPXCHG & ~BPF_FETCH:
		result = old == e->r[0] ? with : old;
		break;
	default:
		fail_msg("atomic operation 0x%x", i->imm);
		return;
	}
	emu_store(e, at, result, size);
	if (i->imm == BPF_CMPXCHG)
		e->r[0] = old;
	else if (i->imm & BPF_FETCH)
		e->r[i->src_reg] = old;
}

/* ---------------------------------------------------------------- arithmetic and jumps */

static inline uint64_t emu_swap(const struct bpf_insn *i, uint64_t a)
{
	if (BPF_SRC(i->code) == BPF_TO_LE)
		return i->imm == 16 ? (uint16_t)a : i->imm == 32 ? (uint32_t)a : a;
	if (i->imm == 16)
		return __builtin_bswap16(a);
	return i->imm == 32 ? __builtin_bswap32(a) : __builtin_bswap64(a);
}

static inline uint64_t emu_alu(const struct bpf_insn *i, uint64_t a, uint64_t b)
{
	bool wide = BPF_CLASS(i->code) == BPF_ALU64;

	if (!wide) {
		a = (uint32_t)a;
		b = (uint32_t)b;
	}
	switch (BPF_OP(i->code)) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return b ? a / b : 0;
	case BPF_MOD:
		return b ? a % b : a;
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & (wide ? 63 : 31));
	case BPF_RSH:
		return a >> (b & (wide ? 63 : 31));
	case BPF_ARSH:
		return wide ? (uint64_t)((int64_t)a >> (b & 63))
			    : (uint64_t)((int32_t)a >> (b & 31));
	case BPF_NEG:
		return -a;
	case BPF_MOV:
		return b;
	case BPF_END:
		return emu_swap(i, a);
	}
	fail_msg("instruction 0x%x", i->code);
	return 0;
}

static inline bool emu_jumps(const struct bpf_insn *i, uint64_t a, uint64_t b)
{
	int64_t sa = a, sb = b;

	if (BPF_CLASS(i->code) == BPF_JMP32) {
		a = (uint32_t)a;
		b = (uint32_t)b;
		sa = (int32_t)a;
		sb = (int32_t)b;
	}
	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return a & b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	case BPF_JSLE:
		return sa <= sb;
	}
	fail_msg("jump 0x%x", i->code);
	return false;
}

/* ---------------------------------------------------------------- calls */

/* From the network header: frames have an Ethernet header here. */
static inline uint64_t emu_load_bytes(struct emu *e, uint32_t from, uint32_t off)
{
	if (off > e->len || from + off + e->r[4] > e->len)
		return -14; /* -EFAULT */
	memcpy((void *)e->r[3], e->data + from + off, e->r[4]);
	return 0;
}

static inline uint64_t emu_helper(struct emu *e, int32_t id)
{
	assert_in_range(id, 1, EMU_CALLS_MAX - 1);
	e->calls[id]++;
	switch (id) {
	case BPF_FUNC_map_lookup_elem:
		e->lookups++;
		return (uint64_t)emu_value(e, e->r[1], (const void *)e->r[2]);
	case BPF_FUNC_get_smp_processor_id:
		return 0;
	case BPF_FUNC_ktime_get_coarse_ns:
		return e->now_ns;
	case BPF_FUNC_xdp_get_buff_len:
		return e->len;
	case BPF_FUNC_skb_load_bytes_relative:
		return emu_load_bytes(e, 14, e->r[2]);
	case BPF_FUNC_skb_load_bytes:
		return emu_load_bytes(e, 0, e->r[2]);
	case BPF_FUNC_l4_csum_replace: /* which leaves the packet's checksum wrong here */
		return 0;
	case BPF_FUNC_redirect:
		return 7; /* TC_ACT_REDIRECT */
	case BPF_FUNC_redirect_map:
		return XDP_REDIRECT;
	}
	fail_msg("%s calls helper %d", bpf_program__name(e->prog), id);
	return 0;
}

/* Into a subprogram: its number of the first instruction. */
static inline uint32_t emu_enter(struct emu *e, uint32_t back, uint32_t to)
{
	assert_true(e->nframes < EMU_FRAMES_MAX);
	memcpy(e->frame[e->nframes].kept, e->r + 6, sizeof(e->frame[0].kept));
	e->frame[e->nframes++].back = back;
	e->r[10] = (uint64_t)e->stack[e->nframes] + EMU_STACK;
	return to;
}

static inline uint64_t emu_imm64(struct emu *e, const struct bpf_insn *i)
{
	uint32_t zero = 0;

	switch (i->src_reg) {
	case 0:
		return (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32;
	case BPF_PSEUDO_MAP_FD:
		return i[0].imm;
	case BPF_PSEUDO_MAP_VALUE:
		return (uint64_t)emu_value(e, i[0].imm, &zero) + i[1].imm;
	}
	fail_msg("a constant of kind %u", i->src_reg);
	return 0;
}

/* One instruction at pc, no jump. Returns how many there were. */
static inline uint32_t emu_plain(struct emu *e, const struct bpf_insn *i)
{
	uint64_t *dst = &e->r[i->dst_reg], src = e->r[i->src_reg];
	uint64_t with = BPF_SRC(i->code) == BPF_X ? src : (uint64_t)(int64_t)i->imm;

	switch (BPF_CLASS(i->code)) {
	case BPF_ALU64:
		*dst = emu_alu(i, *dst, with);
		return 1;
	case BPF_ALU:
		/* A swap to 64 bits is of this class, too. */
		with = emu_alu(i, *dst, with);
		*dst = BPF_OP(i->code) == BPF_END ? with : (uint32_t)with;
		return 1;
	case BPF_LDX:
		*dst = emu_load(e, src + i->off, emu_size(i->code));
		return 1;
	case BPF_ST:
		emu_store(e, *dst + i->off, (int64_t)i->imm, emu_size(i->code));
		return 1;
	case BPF_STX:
		if (BPF_MODE(i->code) == BPF_ATOMIC)
			emu_atomic(e, i);
		else
			emu_store(e, *dst + i->off, src, emu_size(i->code));
		return 1;
	}
	*dst = emu_imm64(e, i);
	return 2;
}

static inline void emu_begin(struct emu *e)
{
	e->xdp_ctx = (struct xdp_md){.ingress_ifindex = e->near};
	e->skb = (struct __sk_buff){.len = e->len,
		.ifindex = e->near,
		.ingress_ifindex = e->near,
		.protocol = *(uint16_t *)(e->data + 12)};
	e->r[1] = e->xdp ? (uint64_t)&e->xdp_ctx : (uint64_t)&e->skb;
	e->r[10] = (uint64_t)e->stack[0] + EMU_STACK;
}

/* Runs the program and returns its verdict. */
static inline uint32_t emu_run(struct emu *e)
{
	const struct bpf_insn *insns = bpf_program__insns(e->prog), *i;
	uint32_t pc = 0;

	emu_begin(e);
	while (e->steps++ < EMU_STEPS_MAX) {
		i = insns + pc;
		assert_true(pc < bpf_program__insn_cnt(e->prog));
		if (BPF_CLASS(i->code) != BPF_JMP && BPF_CLASS(i->code) != BPF_JMP32) {
			pc += emu_plain(e, i);
		} else if (BPF_OP(i->code) == BPF_EXIT) {
			if (!e->nframes)
				return e->r[0];
			pc = e->frame[--e->nframes].back;
			memcpy(e->r + 6, e->frame[e->nframes].kept, sizeof(e->frame[0].kept));
		} else if (BPF_OP(i->code) == BPF_CALL) {
			if (i->src_reg == BPF_PSEUDO_CALL) {
				pc = emu_enter(e, pc + 1, pc + 1 + i->imm);
				continue;
			}
			if (i->src_reg)
				fail_msg("%s calls a function of the kernel's",
					bpf_program__name(e->prog));
			e->r[0] = emu_helper(e, i->imm);
			pc++;
		} else {
			pc += 1 + (emu_jumps(i, e->r[i->dst_reg],
					   BPF_SRC(i->code) == BPF_X ? e->r[i->src_reg]
								     : (uint64_t)(int64_t)i->imm)
						  ? i->off
						  : 0);
		}
	}
	fail_msg("%s does not come to an end", bpf_program__name(e->prog));
	return 0;
}

static inline void emu_end(struct emu *e)
{
	for (uint32_t i = 0; i < e->nvalues; i++)
		free(e->values[i].at);
	e->nvalues = 0;
}

#endif
