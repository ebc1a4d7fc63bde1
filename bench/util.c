// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

int text_open(struct text *t)
{
	memset(t, 0, sizeof(*t));
	t->file = open_memstream(&t->data, &t->length);
	return t->file ? 0 : -errno;
}

const char *text_get(struct text *t)
{
	fflush(t->file);
	return t->data ? t->data : "";
}

void text_free(struct text *t)
{
	if (t->file)
		fclose(t->file);
	free(t->data);
	memset(t, 0, sizeof(*t));
}

int ns_enter(int netns_fd)
{
	return setns(netns_fd, CLONE_NEWNET) ? -errno : 0;
}

static int input_open(const char *input)
{
	size_t length = strlen(input);
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, input, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static void child_exec(int netns_fd, int in, int out, char *const argv[])
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (netns_fd >= 0 && ns_enter(netns_fd))
		_exit(126);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s", argv[0], strerror(errno));
	_exit(127);
}

static void output_read(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	text[got > 0 ? got : 0] = '\0';
}

int run_in(int netns_fd, const char *input, char *const argv[], char *why)
{
	int status = run_capture(netns_fd, input, argv, why, why ? BENCH_WHY : 0);

	if (why)
		why[strcspn(why, "\n")] = '\0';
	return status;
}

int run_capture(int netns_fd, const char *input, char *const argv[], char *text, size_t size)
{
	int in, out, status = 0, err = 0;
	pid_t pid;

	if (size)
		text[0] = '\0';
	in = input_open(input ? input : "");
	if (in < 0)
		return in;
	out = memfd_create("output", MFD_CLOEXEC);
	if (out < 0) {
		err = -errno;
		goto out_in;
	}
	pid = fork();
	if (pid == 0)
		child_exec(netns_fd, in, out, argv);
	if (pid < 0) {
		err = -errno;
		goto out_out;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			err = -errno;
			goto out_out;
		}
	}
	if (size)
		output_read(out, text, size);
	err = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
out_out:
	close(out);
out_in:
	close(in);
	return err;
}

int sysctl_write(const char *path, const char *value)
{
	size_t length = strlen(value);
	int err = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, value, length) != (ssize_t)length)
		err = -errno;
	close(fd);
	return err;
}

long sysctl_read_long(const char *path)
{
	char text[32];
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -EIO;
	text[got] = '\0';
	return strtol(text, NULL, 10);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value at so many percent of the sorted ones; negative ones are left out. -1: there is none.
 */
static double quantile(const double *values, int count, int percent)
{
	double sorted[256];
	int n = 0;

	for (int i = 0; i < count && n < 256; i++)
		if (values[i] >= 0)
			sorted[n++] = values[i];
	if (n == 0)
		return -1;
	qsort(sorted, (size_t)n, sizeof(*sorted), compare_double);
	if (percent == 50 && n % 2 == 0)
		return (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
	return sorted[(n - 1) * percent / 100];
}

double median(const double *values, int count)
{
	return quantile(values, count, 50);
}

double lowest_decile(const double *values, int count)
{
	return quantile(values, count, 10);
}
