/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @percpu @port_host kernel/trace.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Replays a trace on percpu/ over the host port, as kernel/replay.c does in the kernel, and writes down
 * what the allocator did. tools/picture.py makes a page of it.
 *
 *	record TRACE KEY=NUMBER... [page] [engine=NAME]		keys: see options_of
 *
 * One line an event, then the lines that tell what else it changed; chunks that are there from the
 * start come before the first event:
 *
 *	a AREA CHUNK OFFSET LENGTH DONATED	allocated: LENGTH bytes in the map, DONATED more to the
 *						area below
 *	x AREA					an allocation that failed
 *	f AREA					freed
 *	n AREA					not freed: its allocation had failed
 *	c CHUNK HEAD SPAN FLAGS			a chunk is there that was not; HEAD bytes are static
 *						or another's; FLAGS: - or f (first) r (reserved)
 *						i (immutable) s (its pages are another chunk's too)
 *	p CHUNK FIRST END			pages [FIRST, END) have memory now, or have it no more
 *	d CHUNK					a chunk is gone, after all its pages
 *
 * What the trace leaves is freed at its end, event by event. The last line sums up. With until=N it
 * stops after N events and writes chunks and maps, as the monitor would.
 *
 * Exit status: 0; 2 for a trace that cannot be read or is malformed, 3 for a wrong option, 98 and 99 as
 * the host port has them: each with one line on stderr.
 */
#include "kernel/trace.h"
#include "tests/host/port_host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_TRACE = 2, EXIT_OPTION = 3 };

#define NEVER ((size_t)-1)

struct area {
	void __percpu *ptr; /* NULL: not live, or the allocation failed */
	uint32_t size;
};

/* A chunk as the lines written so far have it. */
struct seen {
	struct pcpu_chunk_info info;
	bool *populated; /* info.pages_total of them */
	bool there;	 /* in the list that was read last */
};

static struct host_config machine = {.nr_cpus = 4};
static const char *engine = "areamap";
static size_t until = NEVER;

static const char *trace_path;
static struct trace_event *events;
static size_t nr_events, nr_areas;
static struct area *areas;

static struct seen *chunks; /* by number */
static size_t nr_chunks;
static struct pcpu_chunk_info *list;
static size_t list_room = 64;

static unsigned long nr_failed, live_bytes, peak_live_bytes;

static void __noreturn __printf(2, 3) fail(int status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(status);
}

/* n zeroed objects, at least one. */
static void *array_of(size_t n, size_t size)
{
	void *array = calloc(max(n, (size_t)1), size);

	if (!array)
		fail(EXIT_TRACE, "%s: no memory for its %zu events", trace_path, nr_events);
	return array;
}

/* ---- The trace ---- */

static const char *map_file(size_t *size)
{
	int fd = open(trace_path, O_RDONLY);
	struct stat status;
	const char *text = "";

	if (fd < 0 || fstat(fd, &status) != 0)
		fail(EXIT_TRACE, "%s: cannot be read", trace_path);
	*size = (size_t)status.st_size;
	if (*size > 0)
		text = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		fail(EXIT_TRACE, "%s: cannot be read: is it a file?", trace_path);
	return text;
}

static void check(int status, const struct trace_error *error)
{
	if (status != 0)
		fail(EXIT_TRACE,
		     "%s, line %u: %s. A line is 'a ID SIZE ALIGN CPU FLAGS SITE', 'f ID CPU "
		     "FLAGS' "
		     "or begins with '#': see kernel/trace.h",
		     trace_path, error->line, error->what);
}

static void load_trace(void)
{
	struct trace_error error;
	struct trace_id *ids;
	size_t size;
	const char *text = map_file(&size);

	check(trace_scan(text, size, &nr_events, &error), &error);
	events = array_of(nr_events, sizeof(*events));
	ids = array_of(nr_events * TRACE_IDS_PER_EVENT, sizeof(*ids));
	check(trace_parse(text, size, events, nr_events, ids, &nr_areas, &error), &error);
	free(ids);
	areas = array_of(nr_areas, sizeof(*areas));
}

/* ---- What has changed ---- */

static size_t list_chunks(void)
{
	size_t n;

	while (!list || (n = pcpu_inspect_chunks(list, list_room)) > list_room) {
		free(list);
		list_room *= 2;
		list = array_of(list_room, sizeof(*list));
	}
	return n;
}

static bool page_has_memory(const struct pcpu_chunk_info *chunk, size_t n)
{
	return per_cpu_ptr_to_phys((const char *)chunk->base + n * PAGE_SIZE) != ~(phys_addr_t)0;
}

/* Tells of each run of pages that came or went; a chunk that is gone has none. */
static void tell_pages(struct seen *seen)
{
	size_t total = seen->info.pages_total, n = 0;

	while (n < total) {
		size_t first = n;

		while (n < total &&
		       (seen->there && page_has_memory(&seen->info, n)) != seen->populated[n])
			seen->populated[n++] ^= true;
		if (n > first)
			printf("p %lu %zu %zu\n", seen->info.id, first, n);
		else
			n++;
	}
}

static size_t head_of(const struct pcpu_chunk_info *chunk)
{
	int first = 0;

	if (!chunk->first || pcpu_inspect_map(chunk->id, &first, 1) < 1)
		return 0;
	return first < 0 ? (size_t)-first : 0;
}

static void tell_new(const struct pcpu_chunk_info *chunk, bool shares)
{
	printf("c %lu %zu %zu %s%s%s%s%s\n", chunk->id, head_of(chunk), chunk->span,
	       chunk->first ? "f" : "", chunk->reserved ? "r" : "", chunk->immutable ? "i" : "",
	       shares ? "s" : "", chunk->first ? "" : "-");
}

static struct seen *seen_of(unsigned long id)
{
	size_t old = nr_chunks;

	if (id >= old) {
		nr_chunks = 2 * id + 8;
		chunks = realloc(chunks, nr_chunks * sizeof(*chunks));
		if (!chunks)
			fail(EXIT_TRACE, "%s: no memory for its chunks", trace_path);
		memset(chunks + old, 0, (nr_chunks - old) * sizeof(*chunks));
	}
	return &chunks[id];
}

static void tell_chunk(const struct pcpu_chunk_info *now, bool shares)
{
	struct seen *seen = seen_of(now->id);
	bool fresh = seen->populated == NULL;

	if (fresh) {
		seen->populated = array_of(now->pages_total, sizeof(bool));
		tell_new(now, shares);
	}
	fresh |= seen->info.pages_populated != now->pages_populated;
	seen->info = *now;
	seen->there = true;
	if (fresh)
		tell_pages(seen);
}

static void tell_changes(void)
{
	size_t n = list_chunks();

	for (size_t i = 0; i < nr_chunks; i++)
		chunks[i].there = false;
	for (size_t i = 0; i < n; i++)
		tell_chunk(&list[i], list[i].reserved && n > 1);
	for (size_t i = 0; i < nr_chunks; i++) {
		if (!chunks[i].populated || chunks[i].there)
			continue;
		tell_pages(&chunks[i]);
		printf("d %zu\n", i);
		free(chunks[i].populated);
		chunks[i].populated = NULL;
	}
}

/* ---- Events ---- */

/* Bytes of all maps in use; static areas do not count. */
static unsigned long bytes_in_use(void)
{
	struct pcpu_stats stats;

	pcpu_stats_get(&stats);
	return stats.live_bytes;
}

static void allocate(const struct trace_event *event)
{
	struct area *area = &areas[event->area];
	unsigned long before = bytes_in_use();
	struct pcpu_result result;

	area->size = event->size;
	area->ptr =
		pcpu_try_alloc(event->size, event->align, event->flags & TRACE_RESERVED, &result);
	if (!area->ptr) {
		nr_failed++;
		printf("x %u\n", event->area);
		return;
	}
	live_bytes += event->size;
	peak_live_bytes = max(peak_live_bytes, live_bytes);
	printf("a %u %lu %zu %zu %lu\n", event->area, result.where.chunk, result.where.area_offset,
	       result.where.area_length, bytes_in_use() - before - result.where.area_length);
}

static void release(uint32_t n, bool irqs_off)
{
	struct area *area = &areas[n];

	if (!area->ptr) {
		printf("n %u\n", n);
		return;
	}
	host_irqs(!irqs_off);
	host_free(area->ptr);
	host_irqs(true);
	area->ptr = NULL;
	live_bytes -= area->size;
	printf("f %u\n", n);
}

static void run_event(const struct trace_event *event)
{
	host_become_cpu(event->cpu % machine.nr_cpus);
	if (event->size > 0)
		allocate(event);
	else
		release(event->area, event->flags & TRACE_IRQS_OFF);
	host_run_reclaim();
	tell_changes();
}

static void run_events(void)
{
	size_t n = 0;

	for (; n < nr_events && n < until; n++)
		run_event(&events[n]);
	for (uint32_t i = 0; i < nr_areas && n < until; i++) {
		if (!areas[i].ptr)
			continue;
		run_event(&(struct trace_event){.area = i, .cpu = (uint16_t)host_cpu()});
		n++;
	}
}

/* ---- The end ---- */

static void write_maps(void)
{
	size_t n = list_chunks();

	for (size_t i = 0; i < n; i++) {
		int *map = array_of(list[i].nr_entries, sizeof(*map));
		size_t entries = (size_t)pcpu_inspect_map(list[i].id, map, list[i].nr_entries);

		printf("map=%lu", list[i].id);
		for (size_t k = 0; k < entries; k++)
			printf(" %+d", map[k]);
		printf("\nchunk=%lu free=%zu pages=%zu/%zu\n", list[i].id, list[i].free_size,
		       list[i].pages_populated, list[i].pages_total);
		free(map);
	}
}

static void sum_up(void)
{
	struct pcpu_check_result result;
	struct pcpu_stats stats;

	if (!pcpu_check(&result))
		host_die("after the events: %s", result.error);
	pcpu_stats_get(&stats);
	printf("end unit=%zu events=%zu allocs=%zu frees=%zu failed=%lu peak_live_bytes=%lu "
	       "peak_pages=%lu chunks_made=%lu chunks_freed=%lu\n",
	       pcpu_unit_size, nr_events, nr_areas, nr_events - nr_areas, nr_failed,
	       peak_live_bytes, stats.peak_pages, stats.chunks_made, stats.chunks_freed);
}

/* ---- Options ---- */

static bool take_number(const char *word, const char *key, long *out)
{
	size_t length = strlen(key);
	char *end;

	if (strncmp(word, key, length) != 0 || word[length] != '=')
		return false;
	*out = strtol(word + length + 1, &end, 10);
	return word[length + 1] != '\0' && *end == '\0' && *out >= 0;
}

static void take_option(const char *word)
{
	long n;

	if (strcmp(word, "page") == 0)
		machine.style = HOST_PAGE;
	else if (strncmp(word, "engine=", 7) == 0)
		engine = word + 7;
	else if (take_number(word, "cpus", &n) && n > 0 && n <= NR_CPUS)
		machine.nr_cpus = (unsigned int)n;
	else if (take_number(word, "memory_pages", &n) && n > 0 && n <= 1 << 24)
		machine.nr_pages = (size_t)n;
	else if (take_number(word, "static", &n))
		machine.static_size = (size_t)n;
	else if (take_number(word, "reserve", &n))
		machine.reserved = (size_t)n;
	else if (take_number(word, "unit", &n) && n > 0)
		machine.unit_size = n;
	else if (take_number(word, "dyn", &n))
		machine.dyn_size = n > 0 ? n : -2;
	else if (take_number(word, "until", &n))
		until = (size_t)n;
	else
		fail(EXIT_OPTION, "%s: no such option, or no value of it", word);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		fail(EXIT_OPTION, "usage: record TRACE KEY=NUMBER... [page] [engine=NAME]");
	trace_path = argv[1];
	for (int i = 2; i < argc; i++)
		take_option(argv[i]);
	load_trace();
	if (!pcpu_engine_select(engine))
		fail(EXIT_OPTION, "percpu_engine=%s: no such engine: use bitmap or areamap",
		     engine);
	host_boot(&machine);
	tell_changes();
	run_events();
	if (until == NEVER)
		sum_up();
	else
		write_maps();
	return 0;
}
