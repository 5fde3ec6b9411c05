/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's commands on the per-CPU allocator. */
#include "kernel/cpumask.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/vmalloc.h"
#include "percpu/inspect.h"

#define PEEK_DEFAULT 8
#define NR_RECENT    16

/* What alloc gave last, for Tab. */
static void __percpu *recent[NR_RECENT];
static size_t nr_given;

void monitor_recent_areas(complete_each *each, void *arg)
{
	struct pcpu_where where;
	char text[24];

	for (size_t i = 0; i < NR_RECENT; i++) {
		pcpu_where(recent[i], &where);
		if (where.what != PCPU_AREA && where.what != PCPU_INSIDE)
			continue;
		snprintf(text, sizeof(text), "0x%lx", (uintptr_t)recent[i]);
		each(text, arg);
	}
}

void monitor_settle(void)
{
	if (!monitor_in_panic())
		pcpu_settle();
}

static bool run_alloc(unsigned int argc, char **argv)
{
	bool reserved = argc > 2 && strcmp(argv[argc - 1], "reserved") == 0;
	uint64_t size, align = 8;
	struct pcpu_result result;
	void __percpu *ptr;

	if (argc == 4 && !reserved)
		return monitor_error(
			"alloc: %s after ALIGN: only the word reserved may stand there",
			monitor_quote(argv[3]));
	if (!monitor_number("alloc: SIZE", argv[1], UINT64_MAX, &size))
		return false;
	if (argc - reserved == 3 && !monitor_number("alloc: ALIGN", argv[2], UINT64_MAX, &align))
		return false;
	ptr = pcpu_try_alloc(size, align, reserved, &result);
	if (result.error)
		return monitor_error("alloc: %s", result.text);
	recent[nr_given++ % NR_RECENT] = ptr;
	monitor_print("ptr=0x%lx chunk=%lu offset=%zu size=%lu align=%lu", (uintptr_t)ptr,
		      result.where.chunk, result.where.offset, size, align);
	return true;
}

static bool pointer_argument(const char *what, const char *word, void __percpu **out)
{
	uint64_t value;

	if (!monitor_number(what, word, UINT64_MAX, &value))
		return false;
	*out = (void __percpu *)(uintptr_t)value;
	return true;
}

static bool run_free(unsigned int argc __unused, char **argv)
{
	struct pcpu_result result;
	void __percpu *ptr;

	if (!pointer_argument("free: PTR", argv[1], &ptr))
		return false;
	if (!ptr)
		return monitor_error("free: NULL is no area: give the ptr= that alloc printed");
	pcpu_try_free(ptr, &result);
	if (result.error)
		return monitor_error("free: %s", result.text);
	monitor_print("freed=0x%lx chunk=%lu offset=%zu length=%zu", (uintptr_t)ptr,
		      result.where.chunk, result.where.area_offset, result.where.area_length);
	return true;
}

/* How many bytes from ptr on belong to what it points to; 0 with an error printed if it is nothing
 * that may be looked at. */
static size_t bytes_left(const char *command, const void __percpu *ptr)
{
	struct pcpu_where where;
	char text[160];

	pcpu_where(ptr, &where);
	if (where.what == PCPU_AREA || where.what == PCPU_INSIDE)
		return where.area_offset + where.area_length - where.offset;
	if (where.what == PCPU_STATIC && (uintptr_t)ptr < (uintptr_t)__per_cpu_end)
		return (uintptr_t)__per_cpu_end - (uintptr_t)ptr;
	pcpu_where_text(ptr, &where, text, sizeof(text));
	monitor_error("%s: %s: only live areas and static variables can be looked at", command,
		      text);
	return 0;
}

/* Whether every page of [ptr, ptr + length) has memory: what was handed out has, but the few bytes
 * an area may have beyond that need not. */
static bool has_memory(const char __percpu *ptr, size_t length)
{
	uintptr_t last = (uintptr_t)ptr + length - 1;
	struct pcpu_where where;

	for (uintptr_t p = (uintptr_t)ptr; p <= last; p = ALIGN_DOWN(p, PAGE_SIZE) + PAGE_SIZE) {
		pcpu_where((const void __percpu *)p, &where);
		if (!where.populated)
			return false;
	}
	return true;
}

/* CPU and PTR of peek and poke. *left: bytes from ptr to the end of what it is in. */
static bool place_argument(char **argv, unsigned int *cpu, void __percpu **ptr, size_t *left)
{
	char what[16];
	uint64_t number;

	snprintf(what, sizeof(what), "%s: CPU", argv[0]);
	if (!monitor_number(what, argv[1], UINT64_MAX, &number))
		return false;
	if (number >= nr_cpu_ids || !cpu_possible((unsigned int)number))
		return monitor_error("%s: CPU %lu is not a possible one: cpus lists them", argv[0],
				     number);
	*cpu = (unsigned int)number;
	snprintf(what, sizeof(what), "%s: PTR", argv[0]);
	if (!pointer_argument(what, argv[2], ptr))
		return false;
	*left = bytes_left(argv[0], *ptr);
	return *left > 0;
}

/* Whether length bytes at ptr may be touched. */
static bool stretch_ok(const char *command, const void __percpu *ptr, uint64_t length, size_t left)
{
	if (length == 0 || length > left)
		return monitor_error("%s: %lu bytes at 0x%lx: from 1 to %zu lie in its area",
				     command, length, (uintptr_t)ptr, left);
	if (!has_memory(ptr, length))
		return monitor_error("%s: %lu bytes at 0x%lx reach past what was asked for, into a "
				     "page without memory: ask for fewer",
				     command, length, (uintptr_t)ptr);
	return true;
}

static bool run_peek(unsigned int argc, char **argv)
{
	uint64_t length = 0;
	struct monitor_record record;
	void __percpu *ptr;
	unsigned int cpu;
	size_t left;
	const uint8_t *copy;

	if (argc == 4 && !monitor_number("peek: LEN", argv[3], UINT64_MAX, &length))
		return false;
	if (!place_argument(argv, &cpu, &ptr, &left))
		return false;
	if (argc == 3)
		length = min(left, (size_t)PEEK_DEFAULT);
	if (!stretch_ok("peek", ptr, length, left) ||
	    !monitor_record_begin(&record, 64 + 2 * length))
		return false;
	copy = per_cpu_ptr((uint8_t __percpu *)ptr, cpu);
	monitor_record_add(&record, "cpu=%u ptr=0x%lx bytes=", cpu, (uintptr_t)ptr);
	for (size_t i = 0; i < length; i++)
		monitor_record_add(&record, "%02x", copy[i]);
	monitor_record_end(&record);
	return true;
}

static bool run_poke(unsigned int argc, char **argv)
{
	unsigned int count = argc - 3, cpu;
	void __percpu *ptr;
	uint64_t byte;
	size_t left;
	uint8_t *copy;

	for (unsigned int i = 0; i < count; i++) {
		if (!monitor_number("poke: BYTE", argv[3 + i], 255, &byte))
			return false;
	}
	if (!place_argument(argv, &cpu, &ptr, &left) || !stretch_ok("poke", ptr, count, left))
		return false;
	copy = per_cpu_ptr((uint8_t __percpu *)ptr, cpu);
	for (unsigned int i = 0; i < count; i++) {
		parse_u64(argv[3 + i], &byte);
		copy[i] = (uint8_t)byte;
	}
	monitor_print("cpu=%u ptr=0x%lx wrote=%u", cpu, (uintptr_t)ptr, count);
	return true;
}

static void print_chunk(const struct pcpu_chunk_info *chunk)
{
	char flags[32] = "", slot[12] = "-";

	if (chunk->slot >= 0)
		snprintf(slot, sizeof(slot), "%d", chunk->slot);
	snprintf(flags, sizeof(flags), "%s%s%s", chunk->first ? ",first" : "",
		 chunk->reserved ? ",reserved" : "", chunk->immutable ? ",immutable" : "");
	monitor_print("chunk=%lu slot=%s base=0x%lx span=%zu free=%zu hint=%zu entries=%zu "
		      "map_room=%zu pages=%zu/%zu flags=%s%s%s",
		      chunk->id, slot, chunk->base, chunk->span, chunk->free_size, chunk->hint,
		      chunk->nr_entries, chunk->map_room, chunk->pages_populated,
		      chunk->pages_total,
		      monitor_colour(flags[0] != '\0' ? COLOUR_FLAG : COLOUR_OFF),
		      flags[0] != '\0' ? flags + 1 : "-", monitor_colour(COLOUR_OFF));
}

static bool run_chunks(unsigned int argc __unused, char **argv __unused)
{
	struct pcpu_chunk_info *chunks;
	size_t room, count;

	monitor_settle();
	room = pcpu_inspect_chunks(NULL, 0) + 1;
	chunks = monitor_alloc(room * sizeof(*chunks), "monitor chunks");
	if (!chunks)
		return monitor_error("chunks: no memory for a list of %zu: free some areas first",
				     room);
	count = min(pcpu_inspect_chunks(chunks, room), room);
	for (size_t i = 0; i < count; i++)
		print_chunk(&chunks[i]);
	monitor_free(chunks);
	return true;
}

static bool run_sync(unsigned int argc __unused, char **argv __unused)
{
	monitor_print("reclaimed=%lu", pcpu_sync());
	return true;
}

static bool run_check(unsigned int argc __unused, char **argv __unused)
{
	struct pcpu_check_result result;

	monitor_settle();
	if (!pcpu_check(&result))
		return monitor_error("check: %s", result.error);
	if (!vmalloc_check())
		return monitor_error("check: the vmalloc area's tree, gaps and list disagree");
	monitor_print("ok chunks=%lu areas=%lu", result.chunks, result.areas);
	return true;
}

const struct monitor_command monitor_percpu_commands[] = {
	{"alloc", "SIZE [ALIGN] [reserved]", "allocate an area; ALIGN is 8 by default",
	 "alloc 100 64", run_alloc},
	{"free", "PTR", "give an area back", "free 0x30001680", run_free},
	{"peek", "CPU PTR [LEN]", "bytes of a CPU's copy; LEN is 8 by default",
	 "peek 1 0x30001680 16", run_peek},
	{"poke", "CPU PTR BYTE...", "write bytes (0-255) to a CPU's copy",
	 "poke 1 0x30001680 0xff 7", run_poke},
	{"chunks", "", "all chunks, by slot", "chunks", run_chunks},
	{"sync", "", "wait until no reclaim is pending", "sync", run_sync},
	{"check", "", "check every invariant", "check", run_check},
	{NULL, NULL, NULL, NULL, NULL},
};
