// SPDX-License-Identifier: GPL-2.0-only
/*
 * The health of a WAN in a world of its own: a clock that the test owns, targets that die, links
 * that lose, and the state that must follow. A probe is simulated as probe.c does it: five tries
 * within the timeout, the first answer ends it, the next one an interval after its start.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/neighbour.h>
#include <stdio.h>
#include <string.h>

#include "health/health.h"
#include "health/probe.h"
#include "health/target.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define S 1000ull
#define MINUTE (60 * S)
#define DAY (24 * 60 * MINUTE)
#define NEVER UINT64_MAX
#define ALL 0xffu

/* The world from a time on. Bits are targets; rates are packets a second. */
struct phase {
	uint64_t from_ms;
	bool unplugged;
	enum pcc_neigh gateway;
	uint32_t dead, portal, refused;
	uint32_t loss_percent; /* of tries */
	uint32_t rtt_ms;       /* 0: 20 */
	uint32_t tx, rx, rx_errors, syn, syn_answered;
};

struct change {
	enum pcc_health_state state;
	enum pcc_health_reason reason;
	uint64_t from_ms, to_ms; /* when it may come */
};

struct scenario {
	const char *what;
	uint32_t targets, quorum;
	struct phase phase[6];
	/* From flap_from to flap_to phase 1 and phase 0 take turns, each for flap_ms. */
	uint64_t flap_ms, flap_from_ms, flap_to_ms;
	uint64_t end_ms;
	struct change change[8]; /* all of them, in order */
	uint32_t most_changes;	 /* instead of change[]: no more than these */
};

struct sim_probe {
	uint64_t started_ms, ends_ms; /* ends: NEVER while none is under way */
	uint64_t next_ms;
	struct pcc_probe_result result;
};

struct sim {
	const struct scenario *sc;
	struct pcc_health h;
	uint64_t now_ms, deadline_ms, sample_ms;
	const struct phase *was;
	uint64_t random;
	struct sim_probe probe[PCC_MAX_TARGETS];
	struct pcc_health_traffic traffic;
	struct change seen[64];
	uint32_t nseen;
	uint64_t probes, asked;
};

static uint32_t draw(struct sim *s)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return (uint32_t)(s->random >> 32);
}

static bool is_phase(const struct scenario *sc, uint32_t i)
{
	return i < COUNT(sc->phase) && (!i || sc->phase[i].from_ms);
}

static const struct phase *phase_at(const struct scenario *sc, uint64_t ms)
{
	const struct phase *p = &sc->phase[0];

	if (ms >= sc->flap_from_ms && ms < sc->flap_to_ms)
		return &sc->phase[(ms - sc->flap_from_ms) / sc->flap_ms % 2 ? 0 : 1];
	if (sc->flap_ms)
		return p;
	for (uint32_t i = 1; is_phase(sc, i) && sc->phase[i].from_ms <= ms; i++)
		p = &sc->phase[i];
	return p;
}

static uint64_t next_phase_ms(const struct scenario *sc, uint64_t ms)
{
	if (sc->flap_ms) {
		if (ms < sc->flap_from_ms)
			return sc->flap_from_ms;
		if (ms < sc->flap_to_ms)
			return ms + sc->flap_ms - (ms - sc->flap_from_ms) % sc->flap_ms;
		return NEVER;
	}
	for (uint32_t i = 1; is_phase(sc, i); i++)
		if (sc->phase[i].from_ms > ms)
			return sc->phase[i].from_ms;
	return NEVER;
}

/* When try k of a probe that starts now is answered; NEVER: it is lost. */
static uint64_t try_answered(struct sim *s, uint32_t target, uint32_t k)
{
	uint64_t sent = s->now_ms + (uint64_t)k * s->h.cfg.timeout_ms / PCC_PROBE_TRIES, back;
	const struct phase *p = phase_at(s->sc, sent);

	back = sent + (p->rtt_ms ? p->rtt_ms : 20);
	if (p->unplugged || p->dead & 1u << target || draw(s) % 100 < p->loss_percent)
		return NEVER;
	p = phase_at(s->sc, back);
	return p->unplugged || p->dead & 1u << target ? NEVER : back;
}

static void probe_start(struct sim *s, uint32_t target)
{
	struct sim_probe *pr = &s->probe[target];
	uint64_t end = s->now_ms + s->h.cfg.timeout_ms;
	const struct phase *p;
	uint32_t best = PCC_PROBE_TRIES;

	s->probes++;
	for (uint32_t k = 0; k < PCC_PROBE_TRIES; k++) {
		uint64_t back = try_answered(s, target, k);

		/* Once one has been answered no more are sent. */
		if (s->now_ms + (uint64_t)k * s->h.cfg.timeout_ms / PCC_PROBE_TRIES < end &&
			back < end) {
			end = back;
			best = k;
		}
	}
	p = phase_at(s->sc, end);
	pr->started_ms = s->now_ms;
	pr->ends_ms = end;
	pr->next_ms = NEVER;
	pr->result = (struct pcc_probe_result){
		.target = target,
		.outcome = best == PCC_PROBE_TRIES     ? PCC_PROBE_LOST
			   : p->portal & 1u << target  ? PCC_PROBE_PORTAL
			   : p->refused & 1u << target ? PCC_PROBE_REFUSED
						       : PCC_PROBE_OK,
		.tries = best == PCC_PROBE_TRIES ? PCC_PROBE_TRIES : best + 1,
		.lost = best,
		.rtt_us = (p->rtt_ms ? p->rtt_ms : 20) * 1000,
		.started_ms = s->now_ms,
		.ended_ms = end,
	};
}

static void probe_end(struct sim *s, uint32_t target)
{
	struct sim_probe *pr = &s->probe[target];
	uint64_t next = pr->started_ms + s->h.cfg.interval_ms * (90 + draw(s) % 21) / 100;

	pr->ends_ms = NEVER;
	pr->next_ms = next > s->now_ms ? next : s->now_ms;
	pcc_health_probe(&s->h, &pr->result);
}

static void sample(struct sim *s)
{
	const struct phase *p = phase_at(s->sc, s->now_ms);

	s->traffic.tx_packets += p->tx / 4;
	s->traffic.rx_packets += p->rx / 4;
	s->traffic.rx_errors += p->rx_errors / 4;
	s->traffic.syn_sent += p->syn / 4;
	s->traffic.syn_answered += p->syn_answered / 4;
	pcc_health_traffic(&s->h, &s->traffic, s->now_ms);
	s->sample_ms = s->now_ms + PCC_HEALTH_SAMPLE_MS;
}

static void world(struct sim *s)
{
	const struct phase *p = phase_at(s->sc, s->now_ms);

	if (!s->was || s->was->unplugged != p->unplugged)
		pcc_health_link(&s->h, !p->unplugged, s->now_ms);
	if (!s->was || s->was->gateway != p->gateway)
		pcc_health_gateway(&s->h, PCC_V4, p->gateway, s->now_ms);
	s->was = p;
}

static void step(struct sim *s)
{
	struct pcc_health_verdict v = pcc_health_step(&s->h, s->now_ms);

	if (v.changed) {
		assert_true(s->nseen < COUNT(s->seen));
		s->seen[s->nseen++] = (struct change){v.state, v.reason, s->now_ms, s->now_ms};
	}
	for (uint32_t i = 0; i < s->sc->targets; i++)
		if (v.probe_now & 1u << i && s->probe[i].ends_ms == NEVER)
			s->probe[i].next_ms = s->now_ms;
	s->asked += v.ask_gateway;
	s->deadline_ms = v.deadline_ms;
	assert_true(v.deadline_ms > s->now_ms);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_event(const struct sim *s)
{
	uint64_t next = least(s->deadline_ms, s->sample_ms);

	next = least(next, next_phase_ms(s->sc, s->now_ms));
	for (uint32_t i = 0; i < s->sc->targets; i++)
		next = least(next, least(s->probe[i].ends_ms, s->probe[i].next_ms));
	return next;
}

static void sim_init(struct sim *s, const struct scenario *sc, uint64_t seed)
{
	struct pcc_health_cfg cfg;
	char word[32];

	memset(s, 0, sizeof(*s));
	s->sc = sc;
	s->random = seed * 2654435761u + 88172645463325252ull;
	pcc_health_defaults(&cfg);
	cfg.ntargets = sc->targets;
	if (sc->quorum)
		cfg.quorum = sc->quorum;
	for (uint32_t i = 0; i < sc->targets; i++) {
		snprintf(word, sizeof(word), "192.0.2.%u", i + 1);
		assert_int_equal(pcc_target_parse(word, &cfg.targets[i], NULL), 0);
		s->probe[i] = (struct sim_probe){
			.ends_ms = NEVER, .next_ms = 1 + draw(s) % cfg.interval_ms};
	}
	s->sample_ms = NEVER;
	for (uint32_t i = 0; is_phase(sc, i); i++)
		if (sc->phase[i].tx || sc->phase[i].rx)
			s->sample_ms = 1;
	pcc_health_init(&s->h, &cfg, 0);
	world(s);
	step(s);
}

static void sim_run(struct sim *s, uint64_t until_ms)
{
	for (;;) {
		uint64_t next = next_event(s);

		if (next > until_ms)
			return;
		s->now_ms = next;
		world(s);
		for (uint32_t i = 0; i < s->sc->targets; i++) {
			if (s->probe[i].ends_ms <= s->now_ms)
				probe_end(s, i);
			else if (s->probe[i].ends_ms == NEVER && s->probe[i].next_ms <= s->now_ms)
				probe_start(s, i);
		}
		if (s->sample_ms <= s->now_ms)
			sample(s);
		step(s);
	}
}

/* What is printed for states and reasons. */
static const char *const state_names[] = {
	[PCC_HEALTH_UP] = "up",
	[PCC_HEALTH_DEGRADED] = "degraded",
	[PCC_HEALTH_DOWN] = "down",
};

static const char *const reason_names[] = {
#define X(sym, name, text) [PCC_HEALTH_R_##sym] = name,
	PCC_HEALTH_REASONS(X)
#undef X
};

static void print_changes(const struct sim *s)
{
	for (uint32_t i = 0; i < s->nseen; i++)
		print_message("  %.3f s %s %s\n", s->seen[i].from_ms / 1000.0,
			state_names[s->seen[i].state], reason_names[s->seen[i].reason]);
}

static void check(const struct sim *s)
{
	const struct scenario *sc = s->sc;
	uint32_t n = 0;

	while (n < COUNT(sc->change) && sc->change[n].to_ms)
		n++;
	if (sc->most_changes && s->nseen <= sc->most_changes)
		return;
	for (uint32_t i = 0; !sc->most_changes && s->nseen == n; i++) {
		const struct change *is = &s->seen[i], *want = &sc->change[i];

		if (i == n)
			return;
		if (is->state != want->state || is->reason != want->reason ||
			is->from_ms < want->from_ms || is->from_ms > want->to_ms)
			break;
	}
	print_changes(s);
	fail_msg("%s: %u changes, not as expected", sc->what, s->nseen);
}

#define UP PCC_HEALTH_UP
#define DEGRADED PCC_HEALTH_DEGRADED
#define DOWN PCC_HEALTH_DOWN
#define NONE PCC_NEIGH_NONE
#define GOOD PCC_NEIGH_GOOD
#define GONE PCC_NEIGH_FAILED
#define R(name) PCC_HEALTH_R_##name
/* For three minutes. */
#define FLAPS(each_ms) .flap_ms = (each_ms), .flap_from_ms = 30 * S, .flap_to_ms = 210 * S
/* Of a dead uplink, found by probes alone. */
#define DEAD(at) DOWN, R(TARGETS), (at) + 1900, (at) + 2700
/* Back after rise probes; the hold is over by then. */
#define BACK(at) UP, R(OK), (at) + 1800, (at) + 4500

static const struct scenario scenarios[] = {
	{.what = "nothing happens", .targets = 3, .end_ms = 10 * MINUTE},
	{
		.what = "dead uplink behind a live link and gateway: out within 3 s, back when it is back",
		.targets = 1,
		.phase = {{.gateway = GOOD}, {30 * S, .gateway = GOOD, .dead = ALL},
			{60 * S, .gateway = GOOD}},
		.end_ms = 5 * MINUTE,
		.change = {{DEAD(30 * S)}, {BACK(60 * S)}},
	},
	{
		.what = "three targets: no slower",
		.targets = 3,
		.phase = {{0}, {30 * S, .dead = ALL}, {90 * S}},
		.end_ms = 5 * MINUTE,
		.change = {{DEAD(30 * S)}, {BACK(90 * S)}},
	},
	{
		.what = "eight targets: their last losses do not make it degraded first",
		.targets = 8,
		.phase = {{0}, {30 * S, .dead = ALL}, {90 * S}},
		.end_ms = 5 * MINUTE,
		.change = {{DEAD(30 * S)}, {BACK(90 * S)}},
	},
	{
		.what = "a short outage: held down for 10 s",
		.targets = 1,
		.phase = {{0}, {30 * S, .dead = ALL}, {33 * S}},
		.end_ms = 2 * MINUTE,
		.change = {{DEAD(30 * S)}, {UP, R(OK), 41900, 42800}},
	},
	{
		.what = "one dead target of three",
		.targets = 3,
		.phase = {{0}, {30 * S, .dead = 1}},
		.end_ms = 10 * MINUTE,
	},
	{
		.what = "one dead target of three is too many for quorum 3",
		.targets = 3,
		.quorum = 3,
		.phase = {{0}, {30 * S, .dead = 2}},
		.end_ms = 10 * MINUTE,
		.change = {{DEAD(30 * S)}},
	},
	{
		.what = "two dead targets of three, quorum 2",
		.targets = 3,
		.quorum = 2,
		.phase = {{0}, {30 * S, .dead = 1}, {40 * S, .dead = 3}, {80 * S, .dead = 2}},
		.end_ms = 3 * MINUTE,
		.change = {{DEAD(40 * S)}, {BACK(80 * S)}},
	},
	{
		.what = "DNS alone fails: an echo is still answered",
		.targets = 2,
		.phase = {{0}, {30 * S, .refused = 2}, {90 * S, .dead = 2}},
		.end_ms = 3 * MINUTE,
	},
	{
		.what = "DNS alone fails, and is the only target",
		.targets = 1,
		.phase = {{0}, {30 * S, .refused = 1}, {90 * S}},
		.end_ms = 3 * MINUTE,
		.change = {{DOWN, R(TARGETS), 30400, 31300}, {BACK(90 * S)}},
	},
	{
		.what = "captive portal: replies of others do not help",
		.targets = 1,
		.phase = {{.tx = 40, .rx = 40}, {30 * S, .portal = 1, .tx = 40, .rx = 40}},
		.end_ms = 2 * MINUTE,
		.change = {{DOWN, R(PORTAL), 30400, 31300}},
	},
	{
		.what = "30 % loss: degraded, not down",
		.targets = 3,
		.phase = {{0}, {30 * S, .loss_percent = 30}, {10 * MINUTE}},
		.end_ms = 15 * MINUTE,
		.change = {{DEGRADED, R(LOSS), 35 * S, 120 * S},
			{UP, R(OK), 10 * MINUTE + 5 * S, 10 * MINUTE + 60 * S}},
	},
	{
		.what = "60 % loss: degraded, and soon",
		.targets = 3,
		.phase = {{0}, {30 * S, .loss_percent = 60}},
		.end_ms = 2 * MINUTE,
		.change = {{DEGRADED, R(LOSS), 32 * S, 45 * S}},
	},
	{
		.what = "800 ms latency: degraded, not down",
		.targets = 1,
		.phase = {{0}, {30 * S, .rtt_ms = 800}, {120 * S}},
		.end_ms = 3 * MINUTE,
		.change = {{DEGRADED, R(LATENCY), 32 * S, 50 * S}, {UP, R(OK), 122 * S, 135 * S}},
	},
	{
		.what = "satellite: 600 ms from the beginning is degraded, and stays so",
		.targets = 2,
		.phase = {{.rtt_ms = 600}},
		.end_ms = 10 * MINUTE,
		.change = {{DEGRADED, R(LATENCY), 1, 20 * S}},
	},
	{
		.what = "the link goes down: at once; it stays down for the hold",
		.targets = 1,
		.phase = {{0}, {30 * S, .unplugged = true}, {32 * S}},
		.end_ms = 2 * MINUTE,
		.change = {{DOWN, R(LINK), 30 * S, 30 * S}, {UP, R(OK), 40 * S, 40 * S}},
	},
	{
		.what = "the link is down for long: back after rise probes",
		.targets = 1,
		.phase = {{0}, {30 * S, .unplugged = true}, {90 * S}},
		.end_ms = 3 * MINUTE,
		.change = {{DOWN, R(LINK), 30 * S, 30 * S}, {BACK(90 * S)}},
	},
	{
		.what = "no targets: the link alone",
		.phase = {{0}, {30 * S, .unplugged = true}, {90 * S}},
		.end_ms = 3 * MINUTE,
		.change = {{DOWN, R(LINK), 30 * S, 30 * S}, {UP, R(OK), 90 * S, 90 * S}},
	},
	{
		.what = "no targets: the gateway is gone, at once",
		.phase = {{.gateway = GOOD}, {30 * S, .gateway = GONE}, {90 * S, .gateway = GOOD}},
		.end_ms = 3 * MINUTE,
		.change = {{DOWN, R(GATEWAY), 30 * S, 30 * S}, {UP, R(OK), 90 * S, 90 * S}},
	},
	{
		.what = "the gateway is gone: no probe is waited for",
		.targets = 2,
		.phase = {{.gateway = GOOD}, {30 * S, .gateway = GONE, .dead = ALL},
			{90 * S, .gateway = GOOD}},
		.end_ms = 3 * MINUTE,
		.change = {{DOWN, R(GATEWAY), 30 * S, 30 * S}, {BACK(90 * S)}},
	},
	{
		.what = "all targets dead but replies alive: degraded for as long as anything comes back",
		.targets = 3,
		.phase = {{.tx = 40, .rx = 40}, {30 * S, .dead = ALL, .tx = 40, .rx = 40},
			{10 * MINUTE, .tx = 40, .rx = 40}},
		.end_ms = 12 * MINUTE,
		.change = {{DEGRADED, R(QUIET_TARGETS), 31900, 32700},
			{UP, R(OK), 10 * MINUTE, 10 * MINUTE + 1 * S}},
	},
	{
		.what = "targets dead, replies alive, then everything dead",
		.targets = 1,
		.phase = {{.tx = 40, .rx = 40}, {30 * S, .dead = ALL, .tx = 40, .rx = 40},
			{60 * S, .dead = ALL, .tx = 40}},
		.end_ms = 2 * MINUTE,
		.change = {{DEGRADED, R(QUIET_TARGETS), 31900, 32700},
			{DOWN, R(TARGETS), 60500, 62000}},
	},
	{
		.what = "targets dead, replies alive, then nobody sends anything: not taken away",
		.targets = 1,
		.phase = {{.tx = 40, .rx = 40}, {30 * S, .dead = ALL, .tx = 40, .rx = 40},
			{60 * S, .dead = ALL}},
		.end_ms = 60 * MINUTE,
		.change = {{DEGRADED, R(QUIET_TARGETS), 31900, 32700}},
	},
	{
		.what = "dead uplink whose gateway answers with ICMP errors: these are no sign of life",
		.targets = 1,
		.phase = {{.tx = 40, .rx = 40},
			{30 * S, .dead = ALL, .tx = 40, .rx = 20, .rx_errors = 20}},
		.end_ms = 2 * MINUTE,
		.change = {{DEAD(30 * S)}},
	},
	{
		.what = "dead uplink under load: the silence starts a probe",
		.targets = 1,
		.phase = {{.tx = 400, .rx = 400, .syn = 20, .syn_answered = 20},
			{30 * S, .dead = ALL, .tx = 400, .syn = 20}},
		.end_ms = 2 * MINUTE,
		.change = {{DEAD(30 * S)}},
	},
	{
		.what = "no targets, nothing answers: degraded until something does",
		.phase = {{.tx = 40, .rx = 40, .syn = 8, .syn_answered = 8},
			{30 * S, .tx = 40, .syn = 8},
			{60 * S, .tx = 40, .rx = 40, .syn = 8, .syn_answered = 8}},
		.end_ms = 2 * MINUTE,
		.change = {{DEGRADED, R(SILENT), 33 * S, 34 * S}, {UP, R(OK), 60 * S, 61 * S}},
	},
	{
		.what = "no targets, somebody sends and expects no answer: no harm",
		.phase = {{.tx = 40, .rx = 40}, {30 * S, .tx = 400}},
		.end_ms = 10 * MINUTE,
	},
	{
		.what = "flapping uplink, 2 s / 2 s for 3 minutes",
		.targets = 1,
		.phase = {{0}, {1, .dead = ALL}},
		FLAPS(2 * S),
		.end_ms = 230 * S,
		.most_changes = 3,
	},
	{
		.what = "flapping link, 2 s / 2 s for 3 minutes",
		.targets = 1,
		.phase = {{0}, {1, .unplugged = true}},
		FLAPS(2 * S),
		.end_ms = 20 * MINUTE,
		.change = {{DOWN, R(LINK), 30 * S, 30 * S}, {UP, R(OK), 210 * S, 330 * S}},
	},
	{
		.what = "flapping link without targets: the hold doubles",
		.phase = {{0}, {1, .unplugged = true}},
		FLAPS(2 * S),
		.end_ms = 20 * MINUTE,
		.change = {{DOWN, R(LINK), 30 * S, 30 * S}, {UP, R(OK), 210 * S, 330 * S}},
	},
	{
		.what = "flapping uplink, 5 s / 5 s for 3 minutes",
		.targets = 1,
		.phase = {{0}, {1, .dead = ALL}},
		FLAPS(5 * S),
		.end_ms = 210 * S,
		.most_changes = 3,
	},
	{
		.what = "slow recovery: one try of twenty, then all of them",
		.targets = 1,
		.phase = {{0}, {30 * S, .dead = ALL}, {60 * S, .loss_percent = 95}, {120 * S}},
		.end_ms = 4 * MINUTE,
		.change = {{DEAD(30 * S)}, {BACK(120 * S)}},
	},
};

static void every_scenario_ends_as_it_should(void **state)
{
	struct sim s;

	(void)state;
	for (uint32_t i = 0; i < COUNT(scenarios); i++)
		for (uint64_t seed = 1; seed <= 12; seed++) {
			sim_init(&s, &scenarios[i], seed);
			sim_run(&s, scenarios[i].end_ms);
			check(&s);
		}
}

static void ten_percent_loss_is_no_alarm_for_days(void **state)
{
	const struct scenario quiet = {.what = "10 % loss",
		.targets = 1,
		.phase = {{.loss_percent = 10}},
		.end_ms = 3 * DAY};
	struct sim s;

	(void)state;
	sim_init(&s, &quiet, 7);
	sim_run(&s, quiet.end_ms);
	print_message("%llu probes in 3 days at 10 %% loss: %u changes\n",
		(unsigned long long)s.probes, s.nseen);
	check(&s);
}

/* The second and third fall soon after a rise are held for twice and four times as long. */
static void the_hold_doubles_and_decays(void **state)
{
	const struct scenario none = {.what = "hold"};
	static const struct {
		uint64_t quiet_ms; /* up before this fall */
		uint64_t hold_ms;
	} falls[] = {
		{0, 10 * S},
		{1 * S, 20 * S},
		{39 * S, 40 * S},
		{1 * S, 80 * S},
		{1 * S, 120 * S},
		{1 * S, 120 * S},
		{241 * S, 60 * S},	   /* 2 x 120 s of quiet: halved once */
		{240 * S + 1 * S, 60 * S}, /* 120 -> 60 after 240 s; 60 -> 30 needs 120 s more */
		{1 * DAY, 10 * S},
	};
	struct pcc_health_verdict v;
	uint64_t now = 1000;
	struct sim s;

	(void)state;
	sim_init(&s, &none, 1);
	for (uint32_t i = 0; i < COUNT(falls); i++) {
		now += falls[i].quiet_ms;
		pcc_health_step(&s.h, now);
		pcc_health_link(&s.h, false, now);
		v = pcc_health_step(&s.h, now);
		assert_int_equal(v.state, DOWN);
		pcc_health_link(&s.h, true, now);
		v = pcc_health_step(&s.h, now);
		assert_int_equal(v.reason, R(HOLD));
		if (v.deadline_ms - now != falls[i].hold_ms)
			fail_msg("fall %u: held for %llu ms", i,
				(unsigned long long)(v.deadline_ms - now));
		v = pcc_health_step(&s.h, v.deadline_ms - 1);
		assert_int_equal(v.state, DOWN);
		now = v.deadline_ms;
		v = pcc_health_step(&s.h, now);
		assert_int_equal(v.state, UP);
		assert_true(v.changed);
	}
}

/* A machine that slept, or was too busy: what came too late to be read is not lost. */
static void clock_jumps_are_no_losses(void **state)
{
	const struct scenario one = {.what = "jump", .targets = 1, .phase = {{.tx = 40, .rx = 40}}};
	struct pcc_probe_result r = {.outcome = PCC_PROBE_LOST, .tries = 5, .lost = 5};
	struct pcc_health_verdict v;
	struct sim s;

	(void)state;
	sim_init(&s, &one, 1);
	sim_run(&s, 30 * S);
	for (uint32_t i = 0; i < 10; i++) {
		r.started_ms = s.now_ms + i * DAY + 100;
		r.ended_ms = s.now_ms + (i + 1) * DAY;
		pcc_health_probe(&s.h, &r);
		v = pcc_health_step(&s.h, r.ended_ms);
		assert_int_equal(v.state, UP);
		assert_int_equal(v.probe_now, 1);
	}
	/* Counters that grew meanwhile, one way only: nothing follows. */
	s.traffic.tx_packets += 100000;
	s.traffic.syn_sent += 10000;
	pcc_health_traffic(&s.h, &s.traffic, r.ended_ms);
	v = pcc_health_step(&s.h, r.ended_ms);
	assert_int_equal(v.probe_now, 0);
	/* And back: time does not run backwards. */
	v = pcc_health_step(&s.h, 1000);
	assert_int_equal(v.state, UP);
	assert_true(s.h.now_ms >= r.ended_ms);
}

static void silence_and_unanswered_requests_start_a_probe(void **state)
{
	const struct scenario three = {.what = "silence", .targets = 3};
	static const struct {
		struct pcc_health_traffic per_sample;
		uint64_t samples;
		uint32_t probe_now;
	} rows[] = {
		{{.tx_packets = 4}, 2, 7},
		{{.tx_packets = 1}, 4, 7},
		{{.tx_packets = 1}, 2, 0}, /* too few */
		{{.tx_packets = 10, .rx_packets = 1}, 4, 0},
		{{.tx_packets = 10, .rx_packets = 1, .rx_errors = 1}, 2, 7},
		{{.tx_packets = 10, .rx_packets = 10, .syn_sent = 2}, 6, 7},
		{{.tx_packets = 10, .rx_packets = 10, .syn_sent = 2, .syn_answered = 1}, 12, 0},
		{{.tx_packets = 10, .rx_packets = 10, .syn_sent = 1}, 12, 0}, /* too few */
		{{0}, 40, 0},
	};
	struct sim s;

	(void)state;
	for (uint32_t i = 0; i < COUNT(rows); i++) {
		uint32_t probe_now = 0;
		uint64_t now = 10 * S;

		sim_init(&s, &three, 1);
		for (uint64_t n = 0; n <= rows[i].samples; n++, now += PCC_HEALTH_SAMPLE_MS) {
			pcc_health_traffic(&s.h, &s.traffic, now);
			probe_now |= pcc_health_step(&s.h, now).probe_now;
			s.traffic.tx_packets += rows[i].per_sample.tx_packets;
			s.traffic.rx_packets += rows[i].per_sample.rx_packets;
			s.traffic.rx_errors += rows[i].per_sample.rx_errors;
			s.traffic.syn_sent += rows[i].per_sample.syn_sent;
			s.traffic.syn_answered += rows[i].per_sample.syn_answered;
		}
		if (probe_now != rows[i].probe_now)
			fail_msg("row %u: probes %x", i, probe_now);
	}
}

static struct pcc_health_verdict gateways(
	struct sim *s, enum pcc_neigh v4, enum pcc_neigh v6, uint64_t now)
{
	pcc_health_gateway(&s->h, PCC_V4, v4, now);
	pcc_health_gateway(&s->h, PCC_V6, v6, now);
	return pcc_health_step(&s->h, now);
}

struct gateway_row {
	uint64_t at_ms;
	enum pcc_neigh v4, v6;
	enum pcc_health_state state;
	enum pcc_health_reason reason;
	bool asked;
	uint64_t deadline_ms; /* 0: not looked at */
};

static void gateways_follow(const struct scenario *sc, const struct gateway_row *rows, uint32_t n)
{
	struct sim s;

	sim_init(&s, sc, 1);
	for (uint32_t i = 0; i < n; i++) {
		const struct gateway_row *r = &rows[i];
		struct pcc_health_verdict v = gateways(&s, r->v4, r->v6, r->at_ms);

		if (v.state != r->state || v.reason != r->reason || v.ask_gateway != r->asked ||
			(r->deadline_ms && v.deadline_ms != r->deadline_ms))
			fail_msg("%s, row %u: %s %s, asked %d, until %llu", sc->what, i,
				state_names[v.state], reason_names[v.reason], v.ask_gateway,
				(unsigned long long)v.deadline_ms);
	}
}

static void gateways_of_both_families(void **state)
{
	const struct scenario none = {.what = "no target"},
			      one = {.what = "a target", .targets = 1};
	/* Without a target, asked every second, for want of anything else. */
	static const struct gateway_row alone[] = {
		{100, GOOD, NONE, UP, R(OK), false, 1 * S},
		{200, GOOD, GONE, DEGRADED, R(GATEWAY), false, 1 * S},
		{300, GONE, GONE, DOWN, R(GATEWAY), false, 1 * S},
		{400, GOOD, GOOD, DOWN, R(HOLD), false, 1 * S},
		{11 * S, GOOD, GOOD, UP, R(OK), true, 12 * S},
		{20 * S, GOOD, GOOD, UP, R(OK), true, 21 * S},
		{20 * S + 900, GOOD, GOOD, UP, R(OK), false, 21 * S},
	};
	/* With one, too, a gateway that has failed is asked until it is back; one that is fine is
	 * not. */
	static const struct gateway_row with_target[] = {
		{5 * S, GOOD, GOOD, UP, R(OK), false, NEVER},
		{6 * S, GOOD, GONE, DEGRADED, R(GATEWAY), true, 7 * S},
		{7 * S, GOOD, GONE, DEGRADED, R(GATEWAY), true, 8 * S},
		{7500, GOOD, GOOD, UP, R(OK), false, NEVER},
		{9 * S, GOOD, GOOD, UP, R(OK), false, NEVER},
	};

	(void)state;
	gateways_follow(&none, alone, COUNT(alone));
	gateways_follow(&one, with_target, COUNT(with_target));
}

/* A lost probe has the gateway asked. An answer through it is proof, if it was sent since. */
static void probes_and_the_gateway(void **state)
{
	const struct scenario one = {.what = "gateway", .targets = 1};
	static const struct {
		struct pcc_probe_result probe;
		enum pcc_health_reason reason;
	} answers[] = {
		{{.tries = 1, .started_ms = 2900, .ended_ms = 3100}, R(GATEWAY)},
		{{.tries = 1, .started_ms = 3200, .ended_ms = 3200}, R(RISING)},
	};
	const struct pcc_probe_result lost = {.outcome = PCC_PROBE_LOST,
		.tries = 5,
		.lost = 5,
		.started_ms = 1 * S,
		.ended_ms = 2 * S};
	struct pcc_health_verdict v;
	struct sim s;

	(void)state;
	sim_init(&s, &one, 1);
	gateways(&s, GOOD, NONE, 1 * S);
	pcc_health_probe(&s.h, &lost);
	v = pcc_health_step(&s.h, 2 * S);
	assert_true(v.ask_gateway);
	assert_int_equal(v.probe_now, 1);
	assert_int_equal(gateways(&s, GONE, NONE, 3 * S).state, DOWN);
	for (uint32_t i = 0; i < COUNT(answers); i++) {
		pcc_health_probe(&s.h, &answers[i].probe);
		v = pcc_health_step(&s.h, answers[i].probe.ended_ms);
		assert_int_equal(v.reason, answers[i].reason);
	}
}

/* What was answered before a fall is no reason to rise after it, however short it was. */
static void a_fall_begins_the_count_of_answers_anew(void **state)
{
	const struct scenario one = {.what = "blink", .targets = 1};
	struct sim s;

	(void)state;
	sim_init(&s, &one, 1);
	sim_run(&s, 30 * S);
	pcc_health_link(&s.h, false, 30 * S);
	assert_int_equal(pcc_health_step(&s.h, 30 * S).reason, R(LINK));
	pcc_health_link(&s.h, true, 30 * S + 1);
	assert_int_equal(pcc_health_step(&s.h, 30 * S + 1).reason, R(RISING));
}

static void neighbour_states_say_what_they_say(void **state)
{
	static const struct {
		uint16_t nud;
		bool says;
		enum pcc_neigh neigh;
	} rows[] = {
		{NUD_NONE, false, 0},
		{NUD_INCOMPLETE, false, 0},
		{NUD_REACHABLE, true, PCC_NEIGH_GOOD},
		{NUD_STALE, true, PCC_NEIGH_GOOD},
		{NUD_DELAY, true, PCC_NEIGH_GOOD},
		{NUD_PROBE, true, PCC_NEIGH_GOOD},
		{NUD_FAILED, true, PCC_NEIGH_FAILED},
		{NUD_NOARP, true, PCC_NEIGH_GOOD},
		{NUD_PERMANENT, true, PCC_NEIGH_GOOD},
	};

	(void)state;
	for (uint32_t i = 0; i < COUNT(rows); i++) {
		enum pcc_neigh neigh = PCC_NEIGH_NONE;

		assert_int_equal(pcc_neigh_of_nud(rows[i].nud, &neigh), rows[i].says);
		assert_int_equal(neigh, rows[i].neigh);
	}
}

/* Answers that take longer than the timeout: bad, but not dead. */
static void late_answers_keep_it_from_falling(void **state)
{
	const struct scenario one = {.what = "late", .targets = 1};
	struct pcc_probe_result lost = {.outcome = PCC_PROBE_LOST, .tries = 5, .lost = 5};
	struct pcc_probe_result late = {.outcome = PCC_PROBE_LATE, .rtt_us = 1500000};
	struct pcc_health_verdict v = {};
	struct sim s;

	(void)state;
	sim_init(&s, &one, 1);
	for (uint64_t now = 1 * S; now < 60 * S; now += 1 * S) {
		lost.started_ms = now;
		lost.ended_ms = now + 1 * S;
		pcc_health_probe(&s.h, &lost);
		v = pcc_health_step(&s.h, lost.ended_ms);
		assert_int_not_equal(v.state, DOWN);
		late.started_ms = now;
		late.ended_ms = now + 1 * S + 500;
		pcc_health_probe(&s.h, &late);
		v = pcc_health_step(&s.h, late.ended_ms);
		assert_int_not_equal(v.state, DOWN);
	}
	assert_int_equal(v.state, DEGRADED);
}

static void a_new_configuration_keeps_what_is_known(void **state)
{
	const struct scenario two = {
		.what = "reload", .targets = 2, .phase = {{0}, {10 * S, .dead = 2}}};
	struct pcc_health_cfg cfg;
	struct sim s;
	char text[200];

	(void)state;
	sim_init(&s, &two, 1);
	sim_run(&s, 20 * S);
	assert_false(pcc_health_target_failed(&s.h, 0));
	assert_true(pcc_health_target_failed(&s.h, 1));
	cfg = s.h.cfg;
	cfg.targets[0] = s.h.cfg.targets[1];
	cfg.targets[1] = s.h.cfg.targets[0];
	pcc_health_configure(&s.h, &cfg, 20 * S);
	assert_true(pcc_health_target_failed(&s.h, 0));
	assert_false(pcc_health_target_failed(&s.h, 1));
	assert_int_equal(pcc_health_step(&s.h, 20 * S).state, UP);
	/* The dead one alone. */
	cfg.ntargets = 1;
	cfg.quorum = 5;
	pcc_health_configure(&s.h, &cfg, 20 * S);
	assert_int_equal(pcc_health_step(&s.h, 20 * S).state, DOWN);
	pcc_health_describe(&s.h, text, sizeof(text));
	assert_string_equal(text, "too few targets answer: 0 of 1, 1 needed; not 192.0.2.2");
	pcc_health_describe(&s.h, text, 30);
	assert_string_equal(text, "too few targets answer: 0 of ");
	/* None: the link is all that counts. */
	cfg.ntargets = 0;
	pcc_health_configure(&s.h, &cfg, 20 * S);
	assert_int_equal(pcc_health_step(&s.h, 20 * S).reason, R(HOLD));
	pcc_health_describe(&s.h, text, sizeof(text));
	assert_non_null(strstr(text, ": 10 s"));
	/* A result of a target that is no more changes nothing. */
	pcc_health_probe(&s.h, &(struct pcc_probe_result){.target = 1, .ended_ms = 21 * S});
	pcc_health_probe(
		&s.h, &(struct pcc_probe_result){.target = 4000000000u, .ended_ms = 21 * S});
	assert_int_equal(pcc_health_step(&s.h, 31 * S).state, UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scenario_ends_as_it_should),
		cmocka_unit_test(ten_percent_loss_is_no_alarm_for_days),
		cmocka_unit_test(the_hold_doubles_and_decays),
		cmocka_unit_test(clock_jumps_are_no_losses),
		cmocka_unit_test(silence_and_unanswered_requests_start_a_probe),
		cmocka_unit_test(gateways_of_both_families),
		cmocka_unit_test(probes_and_the_gateway),
		cmocka_unit_test(a_fall_begins_the_count_of_answers_anew),
		cmocka_unit_test(neighbour_states_say_what_they_say),
		cmocka_unit_test(late_answers_keep_it_from_falling),
		cmocka_unit_test(a_new_configuration_keeps_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
