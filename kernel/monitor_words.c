/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words that an argument may be, by its kind: what the usages have in capitals. Kinds that are not
 * in the table (SIZE, BYTE …) have none that could be listed.
 */
#include "kernel/bench.h"
#include "kernel/cpumask.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/replay.h"
#include "kernel/similar.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "percpu/inspect.h"

static void commands(complete_each *each, void *arg)
{
	const struct monitor_command *command;

	for (size_t i = 0; (command = monitor_command_at(i)); i++)
		each(command->name, arg);
}

static void number(unsigned long value, complete_each *each, void *arg)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	each(text, arg);
}

static void cpus(complete_each *each, void *arg)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		number(cpu, each, arg);
}

/* In order of their numbers: each time the least of those above the last. */
static void rising(const struct pcpu_chunk_info *chunks, size_t count, complete_each *each,
		   void *arg)
{
	unsigned long from = 0, next;

	for (size_t n = 0; n < count; n++, from = next + 1) {
		next = ~0ul;
		for (size_t i = 0; i < count; i++) {
			if (chunks[i].id >= from)
				next = min(next, chunks[i].id);
		}
		number(next, each, arg);
	}
}

static void chunks(complete_each *each, void *arg)
{
	size_t room = pcpu_inspect_chunks(NULL, 0);
	struct pcpu_chunk_info *list = monitor_alloc(room * sizeof(*list), "monitor chunks");

	if (!list)
		return;
	rising(list, min(pcpu_inspect_chunks(list, room), room), each, arg);
	monitor_free(list);
}

static void traces(complete_each *each, void *arg)
{
	size_t count;
	const struct trace_text *list = trace_list(&count);

	for (size_t i = 0; i < count; i++)
		each(list[i].name, arg);
}

static void benches(complete_each *each, void *arg)
{
	for (size_t i = 0; bench_name(i); i++)
		each(bench_name(i), arg);
}

static void tests(complete_each *each, void *arg)
{
	each("quick", arg);
	each("all", arg);
	for (size_t i = 0; test_name(i); i++)
		each(test_name(i), arg);
}

static const struct kind {
	const char *name;
	void (*words)(complete_each *each, void *arg);
} kinds[] = {
	{"COMMAND", commands},
	{"CPU", cpus},
	{"N", chunks},
	{"TRACE", traces},
	{"BENCH", benches},
	{"GLOB", tests},
	{"PTR", monitor_recent_areas},
};

static void words(const char *kind, size_t length, complete_each *each, void *arg)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, kind, length) == 0)
			kinds[i].words(each, arg);
	}
}

static const char *usage(const char *name, size_t length)
{
	const struct monitor_command *command;

	for (size_t i = 0; (command = monitor_command_at(i)); i++) {
		if (strlen(command->name) == length && strncmp(command->name, name, length) == 0)
			return command->args;
	}
	return NULL;
}

const struct complete_source monitor_words = {usage, words};

static void offer(const char *word, void *arg)
{
	similar_offer(arg, word);
}

const char *monitor_did_you_mean(const char *kind, const char *typed)
{
	static char text[SIMILAR_SIZE + 24];
	struct similar similar;

	similar_begin(&similar, typed);
	words(kind, strlen(kind), offer, &similar);
	if (!similar_best(&similar))
		return "";
	snprintf(text, sizeof(text), " (did you mean %s?)", similar_best(&similar));
	return text;
}
