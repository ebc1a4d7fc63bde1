/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The keys of the configuration file that are also options of `attach`, in the order in which both
 * are printed. Each row defines: the member of struct pcc_config and its default, the key
 * (config/conf_keys.h: reader, writer, merge), where the pins keep the value, the option
 * (cli/options.h), the paragraphs in the manual pages, and completion.
 *
 * X(symbol, type, member, default, option, key...): the option's `def` is the default as the help
 * prints it; the key's members are those of struct pcc_key.
 */
#ifndef PCC_BASE_KEYS_H
#define PCC_BASE_KEYS_H

#define PCC_AS_OPTION(...) __VA_ARGS__

#define PCC_BASE_KEYS(X)                                                                           \
	X(CLASSIFIER, uint32_t, classifier, PCC_DEF_CLASSIFIER,                                    \
		PCC_AS_OPTION(.name = "--classifier", .arg = "CLASSIFIER",                         \
			.choices = pcc_classifier_names,                                           \
			.help = "the fields of a connection that choose its WAN",                  \
			.def = "src-address-and-port"),                                            \
		.name = "classifier", .kind = PCC_KEY_KEYWORD, .names = pcc_classifier_names,      \
		PCC_KEY_META(classifier))                                                          \
	X(SCHEME, enum pcc_scheme, scheme, PCC_SCHEME_CONSISTENT,                                  \
		PCC_AS_OPTION(.name = "--scheme", .arg = "SCHEME", .choices = pcc_scheme_names,    \
			.help = "how WANs share the buckets: consistent moves few of them when a " \
				"WAN comes or goes, modulo is what RouterOS does",                 \
			.def = "consistent"),                                                      \
		.name = "scheme", .kind = PCC_KEY_KEYWORD, .names = pcc_scheme_names,              \
		PCC_KEY_META(scheme))                                                              \
	X(BUCKETS, uint32_t, buckets, PCC_DEF_BUCKETS,                                             \
		PCC_AS_OPTION(.name = "--buckets", .arg = "N",                                     \
			.help = "number of buckets of the consistent scheme, 64 to 16384",         \
			.def = "1024"),                                                            \
		.name = "buckets", .kind = PCC_KEY_NUMBER, .min = PCC_MIN_BUCKETS,                 \
		.max = PCC_MAX_BUCKETS, PCC_KEY_META(buckets))                                     \
	X(SEED, uint32_t, seed, 0,                                                                 \
		PCC_AS_OPTION(.name = "--seed", .arg = "N",                                        \
			.help = "seed of the hash, 32 bits, decimal or 0x...",                     \
			.def = "drawn once"),                                                      \
		.name = "seed", .kind = PCC_KEY_HEX_NUMBER, .max = UINT32_MAX,                     \
		.given = offsetof(struct pcc_config, seed_given))                                  \
	X(FASTPATH, enum pcc_fastpath, fastpath, PCC_FP_AUTO,                                      \
		PCC_AS_OPTION(.name = "--fastpath", .arg = "MODE", .choices = pcc_fastpath_names,  \
			.help = "where established connections are forwarded", .def = "auto"),     \
		.name = "fastpath", .kind = PCC_KEY_KEYWORD, .names = pcc_fastpath_names,          \
		PCC_KEY_META(fastpath))                                                            \
	X(NO_NAT, bool, nat4, true,                                                                \
		PCC_AS_OPTION(.name = "--no-nat",                                                  \
			.help = "no masquerade rules: you have your own"),                         \
		.name = "nat", .kind = PCC_KEY_BOOL, .read = pcc_read_nat,                         \
		.help = "`false`: no masquerade rules, neither of IPv4 nor, unless `nat6` says "   \
			"otherwise, of IPv6.",                                                     \
		.meta_flag = PCC_META_NAT4)                                                        \
	X(NAT6, bool, nat6, true,                                                                  \
		PCC_AS_OPTION(.name = "--nat6", .arg = "MODE", .choices = pcc_nat6_names,          \
			.help = "source addresses of IPv6; none is for a prefix of your own",      \
			.def = "masquerade"),                                                      \
		.name = "nat6", .kind = PCC_KEY_KEYWORD, .names = pcc_nat6_names,                  \
		.meta_flag = PCC_META_NAT6)                                                        \
	X(OWN, bool, own, false,                                                                   \
		PCC_AS_OPTION(.name = "--router-connections",                                      \
			.help = "spread the connections that the router itself opens, too"),       \
		.name = "router-connections", .kind = PCC_KEY_BOOL,                                \
		.help = "`true`: the connections that the router itself opens are spread, too.",   \
		.meta_flag = PCC_META_OWN)                                                         \
	X(MARK_MASK, uint32_t, mark_mask, PCC_DEF_MARK_MASK,                                       \
		PCC_AS_OPTION(.name = "--mark-mask", .arg = "MASK",                                \
			.help = "the bits of packet and connection marks to use, all next to "     \
				"each other",                                                      \
			.def = "0xff00"),                                                          \
		.name = "mark-mask", .kind = PCC_KEY_MASK, PCC_KEY_META(mark_mask))                \
	X(TABLE_BASE, uint32_t, table_base, PCC_DEF_TABLE_BASE,                                    \
		PCC_AS_OPTION(.name = "--table-base", .arg = "N",                                  \
			.help = "the WAN with id 1 has routing table N + 1, and so on",            \
			.def = "100"),                                                             \
		.name = "table-base", .kind = PCC_KEY_NUMBER, .min = 1, .max = PCC_MAX_TABLE_BASE, \
		PCC_KEY_META(table_base))                                                          \
	X(RULE_PREF, uint32_t, rule_pref, PCC_DEF_RULE_PREF,                                       \
		PCC_AS_OPTION(.name = "--rule-pref", .arg = "N",                                   \
			.help = "preference of the first routing rule", .def = "10000"),           \
		.name = "rule-pref", .kind = PCC_KEY_NUMBER, .min = 1, .max = PCC_MAX_RULE_PREF,   \
		PCC_KEY_META(rule_pref))                                                           \
	X(MAX_CONNS, uint32_t, max_conns, 0 /* the kernel's nf_conntrack_max */,                   \
		PCC_AS_OPTION(.name = "--max-conns", .arg = "N",                                   \
			.help = "connections to remember", .def = "nf_conntrack_max"),             \
		.name = "max-conns", .kind = PCC_KEY_NUMBER, .min = PCC_MIN_CONNS,                 \
		.max = PCC_MAX_CONNS, PCC_KEY_META(max_conns))

#endif
