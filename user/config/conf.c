// SPDX-License-Identifier: GPL-2.0-only
/* Reads a whole configuration file into the model, and writes the model as a file. */
#include "config/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "config/conf_read.h"
#include "config/conf_write.h"

#define MAX_FILE_BYTES (1u << 20)

/* Checks that need the whole configuration. Errors use the words of the options of attach. */
static int validate(struct pcc_reader *r, const struct pcc_node *root)
{
	const char *key = r->err->object;
	int ret = pcc_config_validate(&r->conf->base, r->err), wan;
	const struct pcc_node *node;

	if (!ret)
		return 0;
	wan = pcc_conf_find_wan(r->conf, key);
	while (*key == '-')
		key++;
	node = pcc_node_under(root, wan >= 0 || !strcmp(key, "wan") ? "wans" : key);
	if (wan >= 0 && node)
		for (node = node->first; wan; wan--)
			node = node->next;
	return pcc_read_blame(r, ret, node ? node : root);
}

int pcc_conf_parse(const char *text, size_t len, const char *name, enum pcc_conf_check check,
	struct pcc_conf *conf, struct pcc_conf_pos *pos, struct pcc_err *err)
{
	struct pcc_err ignored = {};
	struct pcc_reader r = {
		.name = name, .conf = conf, .check = check, .err = err ? err : &ignored};
	struct pcc_tree tree;
	int ret;

	memset(conf, 0, sizeof(*conf));
	pcc_config_defaults(&conf->base);
	pcc_wan_file_defaults(&r.template);
	ret = pcc_tree_parse(&tree, text, len, name, &r.pos, r.err);
	if (!ret)
		ret = pcc_conf_check_keys(&r, pcc_file_keys, tree.root);
	if (!ret)
		ret = pcc_read_map(&r, pcc_file_keys, tree.root, conf);
	if (!ret)
		ret = validate(&r, tree.root);
	if (pos)
		*pos = r.pos;
	if (ret)
		pcc_conf_free(conf);
	pcc_tree_free(&tree);
	return ret;
}

int pcc_conf_read(const char *path, enum pcc_conf_check check, struct pcc_conf *conf,
	struct pcc_conf_pos *pos, struct pcc_err *err)
{
	bool stdin_wanted = !strcmp(path, "-");
	const char *name = stdin_wanted ? "standard input" : path;
	int fd = stdin_wanted ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t len = 0;
	int ret;

	memset(conf, 0, sizeof(*conf));
	if (pos)
		*pos = (struct pcc_conf_pos){0, 0};
	if (fd < 0) {
		ret = -errno;
		return pcc_err_set(err, ret, path, "cannot be read: %s", strerror(-ret));
	}
	ret = pcc_slurp(fd, MAX_FILE_BYTES, &text, &len);
	if (ret == -EFBIG)
		pcc_err_set(err, ret, name, "larger than %u bytes", MAX_FILE_BYTES);
	else if (ret)
		ret = pcc_err_set(err, -EIO, name, "%s", strerror(-ret));
	else
		ret = pcc_conf_parse(text, len, name, check, conf, pos, err);
	if (!stdin_wanted)
		close(fd);
	free(text);
	return ret;
}

int pcc_conf_text(const struct pcc_conf *conf, char **text, size_t *len)
{
	struct pcc_writer w = {.conf = conf};
	struct pcc_config usual;
	int ret;

	pcc_config_defaults(&usual);
	usual.nat6 = conf->base.nat4; /* nat6 defaults to the value of nat */
	w.tree.root = pcc_node_new(&w.tree, PCC_NODE_MAP, NULL);
	pcc_write_map(&w, pcc_file_keys, w.tree.root, conf, &usual);
	ret = pcc_tree_text(&w.tree, text, len);
	pcc_tree_free(&w.tree);
	return ret;
}
