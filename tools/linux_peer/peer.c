// SPDX-License-Identifier: GPL-2.0-only
/*
 * Our benchmarks as a module of Linux: kernel/bench_*.c, compiled against include/ beside this
 * file, run once on Linux's allocator when the module is loaded. This file stands for
 * kernel/bench.c and the store of traces. The machine ends with the status that our kernel ends
 * with: 33 if all ran, 35 if not (QEMU's isa-debug-exit).
 */
#include <linux/io.h>
#include <linux/kernel_read_file.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "kernel/bench_internal.h"
#include "kernel/trace.h"

#define DEBUG_EXIT_PORT 0xf4
enum { EXIT_GOOD = 0x10, EXIT_FAILED = 0x11 };

const char bench_no_memory[] = "out of memory";

/* Waits for the allocator's own worker, which runs in the system's queue. The tick stays on: every
 * four million instructions it takes a few thousand. */
static void wait_for_reclaim(void)
{
	__flush_workqueue(system_wq);
}

void bench_quiet_begin(void)
{
	wait_for_reclaim();
}

uint64_t bench_quiet_end(void)
{
	uint64_t start = bench_clock();

	wait_for_reclaim();
	return bench_clock() - start;
}

/* A trace from the initramfs, read once and kept; without it, an empty one. */
const struct trace_text *trace_find(const char *name)
{
	static struct trace_text trace;
	char path[64];
	void *text = NULL;
	ssize_t size;

	snprintf(path, sizeof(path), "/traces/%s.trace", name);
	size = kernel_read_file_from_path(path, 0, &text, INT_MAX, NULL, READING_UNKNOWN);
	if (size < 0)
		pr_err("%s cannot be read: error %zd\n", path, size);
	trace = (struct trace_text){name, text, size < 0 ? 0 : (size_t)size};
	return &trace;
}

static void __printf(1, 2) print_line(const char *fmt, ...)
{
	struct va_format line = {.fmt = fmt};
	va_list args;

	va_start(args, fmt);
	line.va = &args;
	pr_info("%pV\n", &line);
	va_end(args);
}

static int __init peer_init(void)
{
	const char *error = bench_burst(print_line);

	error = error ?: bench_churn(print_line);
	error = error ?: bench_mixed(print_line);
	error = error ?: bench_replay(print_line);
	if (error)
		pr_err("bench failed: %s\n", error);
	outb(error ? EXIT_FAILED : EXIT_GOOD, DEBUG_EXIT_PORT);
	return -EIO; /* still here: there is no such device */
}

module_init(peer_init);
MODULE_DESCRIPTION("percpu's benchmarks on Linux's per-CPU allocator");
MODULE_LICENSE("GPL v2");
