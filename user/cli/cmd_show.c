// SPDX-License-Identifier: GPL-2.0-only
/* The command show config: what runs, as a file that apply accepts. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cli/cmds.h"
#include "engine/confirm.h"

/* Converts libyaml's document to JSON, for use with jq. All values are strings, as in the file. */
static json_t *node_json(yaml_document_t *doc, int id)
{
	const yaml_node_t *node = yaml_document_get_node(doc, id);
	json_t *json;

	if (node->type == YAML_SCALAR_NODE)
		return json_string((const char *)node->data.scalar.value);
	if (node->type == YAML_SEQUENCE_NODE) {
		json = json_array();
		for (const yaml_node_item_t *i = node->data.sequence.items.start;
			i < node->data.sequence.items.top; i++)
			json_array_append_new(json, node_json(doc, *i));
		return json;
	}
	json = json_object();
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
		p < node->data.mapping.pairs.top; p++)
		json_object_set_new(json,
			(const char *)yaml_document_get_node(doc, p->key)->data.scalar.value,
			node_json(doc, p->value));
	return json;
}

static json_t *text_json(const char *text, size_t len)
{
	yaml_document_t doc;
	yaml_parser_t p;
	json_t *json = NULL;

	if (!yaml_parser_initialize(&p))
		return NULL;
	yaml_parser_set_input_string(&p, (const unsigned char *)text, len);
	if (yaml_parser_load(&p, &doc)) {
		if (yaml_document_get_root_node(&doc))
			json = node_json(&doc, 1);
		yaml_document_delete(&doc);
	}
	yaml_parser_delete(&p);
	return json;
}

static int print(const struct pcc_session *s, const struct pcc_conf *conf, bool json)
{
	struct pcc_err err = {};
	uint32_t left;
	size_t len;
	char *text;
	int ret = pcc_conf_text(conf, &text, &len);

	if (ret) {
		pcc_err_set(&err, ret, "configuration", "%s", strerror(-ret));
		return pcc_cmd_failed(&err);
	}
	if (json) {
		ret = pcc_cmd_print_json(text_json(text, len));
	} else {
		if (pcc_confirm_look(s->dp.dir, &left) == PCC_CONFIRM_WAITING)
			printf("# taken back in %u s unless it is confirmed\n", left);
		ret = fwrite(text, 1, len, stdout) == len ? PCC_EXIT_OK : PCC_EXIT_FAILED;
	}
	free(text);
	return ret;
}

int pcc_cmd_show_config(const struct pcc_args *args)
{
	struct pcc_conf *conf = calloc(1, sizeof(*conf));
	struct pcc_session s;
	struct pcc_err err = {};
	int status = pcc_cmd_open(&s, args, PCC_SESSION_READ);

	if (!conf || status)
		status = status ? status : PCC_EXIT_FAILED;
	else if (pcc_conf_running(&s, conf, pcc_warn_print, &err))
		status = pcc_cmd_failed(&err);
	else
		status = print(&s, conf, args->opt[PCC_OPT_JSON].set);
	if (conf)
		pcc_conf_free(conf);
	free(conf);
	pcc_session_close(&s);
	return status;
}
