/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF maps and programs, which hold all state: they are pinned, with the links, in a directory
 * of a BPF file system, and every command starts by opening that directory.
 */
#ifndef PCC_DATAPLANE_H
#define PCC_DATAPLANE_H

#include <stddef.h>
#include <stdint.h>

#include "model/buckets.h"
#include "base/err.h"
#include "model/model.h"
#include "pccbpf.h"

#define PCC_DEF_PIN_DIR "/sys/fs/bpf/pccbpf"

/* Pins of maps that only commands use: conf_apply.h, confirm.h. */
#define PCC_CONF_PIN "pcc_conf"
#define PCC_CONFIRM_PIN "pcc_confirm"

/* The pinned maps: X(symbol, pin name). */
#define PCC_MAPS(X)                                                                                \
	X(META, pcc_meta)                                                                          \
	X(SYSCTLS, pcc_sysctls)                                                                    \
	X(CONNS, pcc_conns)                                                                        \
	X(FLOWS, pcc_flows)                                                                        \
	X(LEASED, pcc_leased)                                                                      \
	X(WANS, pcc_wans)                                                                          \
	X(BUCKETS, pcc_buckets)                                                                    \
	X(IFACES, pcc_ifaces)                                                                      \
	X(STATS, pcc_stats)                                                                        \
	X(WAN_STATS, pcc_wan_stats)                                                                \
	X(COUNTERS, pcc_counters)                                                                  \
	X(LOCAL, pcc_local)                                                                        \
	X(XDP_PORTS, pcc_xdp_ports)                                                                \
	X(WIRE_IN, pcc_wire_in)                                                                    \
	X(WIRE_OUT, pcc_wire_out)                                                                  \
	X(FRAGS, pcc_frags)                                                                        \
	X(POLICY_HEAD, pcc_policy_head)                                                            \
	X(POLICIES, pcc_policies)                                                                  \
	X(GROUPS, pcc_groups)                                                                      \
	X(GROUP_TABLE, pcc_group_table)                                                            \
	X(SETS, pcc_sets)                                                                          \
	X(POLICY_HIT, pcc_policy_hit)                                                              \
	X(STICKY, pcc_sticky)

enum pcc_map {
#define X(sym, name) PCC_MAP_##sym,
	PCC_MAPS(X)
#undef X
		PCC_MAP_MAX
};

/* The pinned programs: X(symbol, pin name). */
#define PCC_PROGS(X)                                                                               \
	X(LAN_IN, pcc_lan_in)                                                                      \
	X(LAN_OUT, pcc_lan_out)                                                                    \
	X(WAN_IN, pcc_wan_in)                                                                      \
	X(WAN_OUT, pcc_wan_out)                                                                    \
	X(PORT_OUT, pcc_port_out)                                                                  \
	X(EXPLAIN, pcc_explain)

enum pcc_prog {
#define X(sym, name) PCC_PROG_##sym,
	PCC_PROGS(X)
#undef X
		PCC_PROG_MAX
};

/* What a pin directory contains. */
enum pcc_dp_state {
	PCC_DP_ABSENT,	   /* nothing of ours: not attached */
	PCC_DP_INCOMPLETE, /* an attach or detach was interrupted */
	PCC_DP_ATTACHED,
	/* Not ours, another version's, or parts are missing or wrong; the error says what. */
	PCC_DP_DAMAGED,
};

struct pcc_policies;

/* An open pin directory. pcc_dp_init() makes the empty value. */
struct pcc_dp {
	char dir[256];
	int lock_fd;
	bool dir_made; /* done by this process */
	int map_fd[PCC_MAP_MAX];
	int prog_fd[PCC_PROG_MAX];
	struct pcc_meta *meta; /* the map itself, shared with the kernel */
	int ncpus;
	const struct pcc_policies
		/* Policies that the next commit writes; NULL: it keeps those in force. */
		*policies;
	bool loaded;	   /* done by this process */
	bool any_instance; /* detach --force: programs of any pccbpf count as ours */
	bool no_tcx;	   /* the kernel lacks tcx, or PCCBPF_DISABLE names it */
	/* The same for the conntrack functions; valid after pcc_dp_see_features(). */
	bool no_ct;
};

/* --- pins.c -------------------------------------------------------------------------- */

void pcc_dp_init(struct pcc_dp *dp, const char *dir);
void pcc_dp_close(struct pcc_dp *dp);

/*
 * Opens the pins and returns their state. Fills err for PCC_DP_DAMAGED and PCC_DP_INCOMPLETE.
 * Checks types, sizes, ABI version and the network namespace before anything is read from a map.
 */
enum pcc_dp_state pcc_dp_open(struct pcc_dp *dp, struct pcc_err *err);

/*
 * Makes another object (struct bpf_object) use the pinned maps of the same names. Call it before
 * the object is loaded. Returns 0 or a negative errno.
 */
struct bpf_object;
int pcc_dp_reuse_maps(const struct pcc_dp *dp, struct bpf_object *obj);

/* Returns max_entries of a map, or 0 if the kernel does not tell. */
uint32_t pcc_dp_map_entries(int fd);

/* --- dir.c --------------------------------------------------------------------------- */

/*
 * Takes the lock that every changing command holds, waiting for at most wait_s seconds. Makes the
 * directory first if create. The kernel releases the lock when the process ends. Returns 0 or
 * -EBUSY, -ENOENT (no directory and not create), -EMEDIUMTYPE (no BPF file system), -EPERM.
 */
int pcc_dp_lock(struct pcc_dp *dp, bool create, unsigned int wait_s, struct pcc_err *err);

/* Removes every pin of ours, and the directory if attach made it. */
void pcc_dp_remove(struct pcc_dp *dp);

/* --- load.c -------------------------------------------------------------------------- */

/*
 * Loads the programs for cfg and pins them. Pinned maps of the right size are used again, so that
 * connections and counters are kept; if the size of the connection map changes, its entries are
 * copied. Returns 0, or a negative errno with err filled, and then the pins are unchanged.
 */
int pcc_dp_load(struct pcc_dp *dp, const struct pcc_config *cfg, struct pcc_err *err);

/*
 * Checks whether the kernel has the conntrack functions for BPF, which may appear with the module
 * while we are attached. Call it before anything is decided.
 */
void pcc_dp_see_features(struct pcc_dp *dp);

/* Does the kernel have conntrack functions by now that the attached programs do not use? Cheap. */
bool pcc_dp_gained_ct(const struct pcc_dp *dp);

/*
 * Must the programs be loaded again for cfg, because they are of another build, or were loaded for
 * other sizes or kernel features?
 */
bool pcc_dp_wants_load(struct pcc_dp *dp, const struct pcc_config *cfg);

/* Completes pcc_meta at the first attach. From then on the state is "attached". */
void pcc_dp_finish(struct pcc_dp *dp);

/* --- commit.c, config_read.c --------------------------------------------------------- */

/* An address for the map pcc_local. */
struct pcc_dp_local {
	struct pcc_addr addr;
	uint32_t wan_id;
};

/*
 * Puts cfg in force: writes WANs, interfaces and local addresses, then the bucket tables in the
 * half that is not active, and switches to that half with one store. Returns 0 or a negative errno.
 */
int pcc_dp_commit(struct pcc_dp *dp, const struct pcc_config *cfg,
	const struct pcc_dp_local *locals, uint32_t nlocals, struct pcc_err *err);

/* Are the flags in pcc_meta about kernel features those that a commit of cfg would write? */
bool pcc_dp_flags_match(const struct pcc_dp *dp, const struct pcc_config *cfg);

/* Reads the configuration back from the maps. */
int pcc_dp_config(struct pcc_dp *dp, struct pcc_config *cfg, struct pcc_err *err);

/* --- members.c ----------------------------------------------------------------------- */

/*
 * Selects the WANs of `among` (bit id-1) that get new connections of a family, in the form that
 * pcc_bucket_table() takes; WANs on standby only if `standby` is set. Returns their number. Pure.
 */
uint32_t pcc_dp_members(const struct pcc_config *cfg, enum pcc_family family, uint64_t among,
	bool standby, struct pcc_bucket_member members[PCC_MAX_WANS]);

/* --- tables.c ------------------------------------------------------------------------ */

/* The last part of pcc_dp_commit(): writes bucket tables and policies, and switches to them. */
int pcc_dp_commit_tables(struct pcc_dp *dp, const struct pcc_config *cfg);

/*
 * Reads the owner table in force for a family into table, which has PCC_MAX_BUCKETS entries.
 * Returns its number of buckets.
 */
uint32_t pcc_dp_buckets(struct pcc_dp *dp, enum pcc_family family, uint8_t *table);

/* Ends every lease of the fast path now. */
void pcc_dp_new_epoch(struct pcc_dp *dp);

/* --- ifaces.c ------------------------------------------------------------------------ */

/* Writes one entry of a map. Returns 0 or -errno. */
int pcc_dp_map_set(struct pcc_dp *dp, enum pcc_map map, const void *key, const void *value);

/* Sets a flag (PCC_IFACE_*) in an interface's entry. For flags that only the hooks know. */
int pcc_dp_iface_flag(struct pcc_dp *dp, uint32_t ifindex, uint8_t flag);
/* Notes that our clsact qdisc on the interface is gone. */
void pcc_dp_iface_qdisc_gone(struct pcc_dp *dp, uint32_t ifindex);
bool pcc_dp_iface_has(struct pcc_dp *dp, uint32_t ifindex, uint8_t flag);

/* Allows XDP to send by a device for the interfaces on top of it in pcc_wire_out, or forbids it. */
void pcc_dp_wire_ports(struct pcc_dp *dp, uint32_t carrier_ifindex, bool on);

/* --- conns.c ------------------------------------------------------------------------- */

/*
 * Calls fn for every connection; fn returns 0 to continue, 1 to have the entry deleted, or a
 * negative value to stop.
 */
typedef int (*pcc_conn_fn)(const struct pcc_tuple *key, const struct pcc_conn *conn, void *arg);
int pcc_dp_conns(struct pcc_dp *dp, pcc_conn_fn fn, void *arg, struct pcc_err *err);

/* --- stats.c ------------------------------------------------------------------------- */

/* Read counters, summed over the CPUs. Return 0 or -errno. */
int pcc_dp_wan_stats(struct pcc_dp *dp, uint32_t wan_id, struct pcc_wan_stats *sum);
int pcc_dp_bucket_stats(
	struct pcc_dp *dp, enum pcc_family family, uint32_t bucket, struct pcc_bucket_stats *sum);
int pcc_dp_counter(struct pcc_dp *dp, enum pcc_reason reason, uint64_t *sum);

/*
 * The names of the counters in struct pcc_wan_stats and struct pcc_bucket_stats, as in JSON. Both
 * structs consist of 64-bit counters only.
 */
#define PCC_WAN_COUNTERS (sizeof(struct pcc_wan_stats) / sizeof(uint64_t))
#define PCC_BUCKET_COUNTERS (sizeof(struct pcc_bucket_stats) / sizeof(uint64_t))
extern const char *const pcc_wan_counter_names[];
extern const char *const pcc_bucket_counter_names[];

/* Sums the n 64-bit words of a per-CPU entry over the CPUs. Returns 0 or -errno. */
int pcc_dp_percpu_sum(struct pcc_dp *dp, enum pcc_map map, uint32_t key, uint64_t *sum, size_t n);

/* The name of a counter, as in JSON, and a text that says what it counts. */
const char *pcc_reason_name(enum pcc_reason reason);
const char *pcc_reason_text(enum pcc_reason reason);

/* --- sysctls.c ----------------------------------------------------------------------- */

/*
 * The map pcc_sysctls: remember an old value, unless one is remembered already; read one; forget
 * one.
 */
int pcc_dp_sysctl_remember(struct pcc_dp *dp, const char *path, const char *value);
int pcc_dp_sysctl_old(struct pcc_dp *dp, const char *path, char value[32]);
int pcc_dp_sysctl_forget(struct pcc_dp *dp, const char *path);
/* Finds the remembered path that follows prev ("": the first). Returns -ENOENT at the end. */
int pcc_dp_sysctl_next(struct pcc_dp *dp, const char *prev, char path[96]);

/* --- explain.c ----------------------------------------------------------------------- */

/* What pcc_lan_in would do with a packet that arrives on the interface, addressed to its MAC. */
struct pcc_dp_verdict {
	uint32_t hash;
	uint32_t bucket;
	uint32_t wan_id;
	enum pcc_reason reason;
	bool pinned;
	uint32_t policy; /* index in pcc_policies + 1; 0: no rule matches */
};
int pcc_dp_explain(struct pcc_dp *dp, uint32_t lan_ifindex, const uint8_t mac[6],
	const struct pcc_tuple *tuple, struct pcc_dp_verdict *verdict, struct pcc_err *err);

#endif
