/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A frame of the monitor's watch:
 *
 *	title
 *	heading, a row for each CPU
 *	totals
 *	heading, a row for each chunk with its bar
 *
 * Each row ends by erasing what the frame before had there, so nothing flickers. CPUs and chunks that
 * have no room are counted in a row of their own.
 */
#include "kernel/cpumask.h"
#include "kernel/monitor_watch.h"
#include "kernel/printk.h"
#include "kernel/records.h"
#include "kernel/sched.h"
#include "kernel/string.h"
#include "kernel/terminal.h"
#include "kernel/time.h"
#include "mm/vmalloc.h"
#include "percpu/inspect.h"

#define MAX_ROW	   256
#define MAX_ROWS   200
#define MAX_CHUNKS 256 /* looked at; those beyond are counted */
#define OTHER_ROWS 7   /* of the terminal: titles, totals, blank rows, where the cursor ends */
#define MIN_BAR	   8
#define TEXT_SIZE  ((size_t)128 << 10)
#define END_OF_ROW "\033[K\n"

struct watch_counts {
	unsigned long allocs, frees;
};

/* ---- Memory ---- */

bool watch_frame_init(struct watch_frame *frame)
{
	size_t entries = min(pcpu_unit_size / sizeof(int), (size_t)65536);

	frame->room = TEXT_SIZE;
	frame->texts = vmalloc(2 * frame->room, "monitor watch");
	frame->counts = vmalloc((NR_CPUS + 1) * sizeof(*frame->counts), "monitor watch");
	if (frame->texts && frame->counts &&
	    monitor_map_room(&frame->map, entries, pcpu_unit_size / PAGE_SIZE))
		return true;
	watch_frame_free(frame);
	return false;
}

void watch_frame_free(struct watch_frame *frame)
{
	if (frame->texts)
		vfree(frame->texts);
	if (frame->counts)
		vfree(frame->counts);
	monitor_map_put(&frame->map);
}

/* ---- Rows ---- */

static void add(struct watch_frame *frame, const char *text)
{
	size_t n = min(strlen(text), frame->room - frame->length);

	memcpy(frame->text + frame->length, text, n);
	frame->length += n;
}

/* A text, cut to the screen's width; colours do not count. */
static void __printf(3, 4)
	add_row(struct watch_frame *frame, enum monitor_colour colour, const char *fmt, ...)
{
	char row[MAX_ROW];
	va_list args;

	va_start(args, fmt);
	vsnprintf(row, min(sizeof(row), frame->columns), fmt, args);
	va_end(args);
	add(frame, monitor_colour(colour));
	add(frame, row);
	add(frame, monitor_colour(COLOUR_OFF));
	add(frame, END_OF_ROW);
}

/* How much came in a second since the frame before. */
static unsigned long rate(const struct watch_frame *frame, unsigned long now, unsigned long before)
{
	uint64_t us = frame->us - frame->before_us;

	return frame->before_us == 0 || us == 0 ? 0 : (now - before) * 1000000 / us;
}

static void add_title(struct watch_frame *frame)
{
	const char *state = frame->what[0] == '\0' ? "" : frame->done ? " has ended, " : " runs, ";

	add_row(frame, COLOUR_FLAG, "up %lu.%lu s: %s%sany key ends", frame->us / 1000000,
		frame->us / 100000 % 10, frame->what, state);
}

/* ---- CPUs ---- */

static void add_cpu(struct watch_frame *frame, unsigned int cpu)
{
	struct watch_counts now, *before = &frame->counts[1 + cpu];
	bool online = cpu_online(cpu);

	records_of_cpu(cpu, &now.allocs, &now.frees);
	add_row(frame, COLOUR_OFF, "%3u  %-8s  %-10.10s  %8lu %6lu  %8lu %6lu  0x%lx", cpu,
		online ? "online" : "possible", online ? sched_running_name(cpu) : "-", now.allocs,
		rate(frame, now.allocs, before->allocs), now.frees,
		rate(frame, now.frees, before->frees),
		(uintptr_t)__per_cpu_start + __per_cpu_offset[cpu]);
	*before = now;
}

static void add_cpus(struct watch_frame *frame, size_t rows)
{
	size_t left = cpumask_weight(&cpu_possible_mask);
	unsigned int cpu;

	add_row(frame, COLOUR_PROMPT, "%3s  %-8s  %-10s  %8s %6s  %8s %6s  %s", "cpu", "state",
		"runs", "allocs", "/s", "frees", "/s", "unit");
	for_each_possible_cpu (cpu) {
		if (rows == 1 && left > 1) {
			add_row(frame, COLOUR_OFF, "... and %zu more", left);
			return;
		}
		add_cpu(frame, cpu);
		left--;
		rows--;
	}
}

/* ---- Totals ---- */

static void add_totals(struct watch_frame *frame, const struct pcpu_stats *stats)
{
	struct watch_counts *before = &frame->counts[0];

	add_row(frame, COLOUR_OFF, "%s", "");
	add_row(frame, COLOUR_OFF,
		"areas=%lu bytes=%lu pages=%lu allocs/s=%lu frees/s=%lu chunks_made=%lu freed=%lu",
		stats->live_areas, stats->live_bytes, stats->populated_pages,
		rate(frame, stats->allocs, before->allocs),
		rate(frame, stats->frees, before->frees), stats->chunks_made, stats->chunks_freed);
	add_row(frame, COLOUR_OFF, "%s", "");
	*before = (struct watch_counts){stats->allocs, stats->frees};
}

/* ---- Chunks ---- */

static struct pcpu_chunk_info chunks[MAX_CHUNKS];

/* By their numbers, so that rows stay where they are. */
static void sort_chunks(size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct pcpu_chunk_info chunk = chunks[i];
		size_t j;

		for (j = i; j > 0 && chunks[j - 1].id > chunk.id; j--)
			chunks[j] = chunks[j - 1];
		chunks[j] = chunk;
	}
}

static void add_chunk(struct watch_frame *frame, const struct pcpu_chunk_info *chunk)
{
	char row[MAX_ROW], slot[12] = "-", bar[MONITOR_BAR_SIZE] = "";
	size_t n;

	if (frame->room - frame->length < 2 * MONITOR_BAR_SIZE)
		return; /* colours that change at every column of a very large screen */
	if (chunk->slot >= 0)
		snprintf(slot, sizeof(slot), "%d", chunk->slot);
	n = (size_t)snprintf(row, sizeof(row), "%4lu %4s %3zu/%-3zu %7zu %7zu %c%c%c ", chunk->id,
			     slot, chunk->pages_populated, chunk->pages_total, chunk->free_size,
			     chunk->hint, chunk->first ? 'f' : '-', chunk->reserved ? 'r' : '-',
			     chunk->immutable ? 'i' : '-');
	if (frame->columns >= n + MIN_BAR && monitor_map_take(&frame->map, chunk->id) &&
	    frame->map.view.nr_entries > 0)
		monitor_map_bar(&frame->map.view, frame->columns - n - 1, bar, sizeof(bar));
	row[min(n, frame->columns - 1)] = '\0';
	add(frame, row);
	add(frame, bar);
	add(frame, END_OF_ROW);
}

static void add_chunks(struct watch_frame *frame, size_t count, size_t rows)
{
	size_t known = min(count, (size_t)MAX_CHUNKS);
	size_t shown = count <= rows ? known : min(known, rows - 1);

	add_row(frame, COLOUR_PROMPT, "%4s %4s %7s %7s %7s %s %s", "chnk", "slot", "pages", "free",
		"hint", "fri", "# + in use - free . no memory");
	for (size_t i = 0; i < shown; i++)
		add_chunk(frame, &chunks[i]);
	if (shown < count)
		add_row(frame, COLOUR_OFF, "... and %zu more", count - shown);
}

/* ---- All ---- */

/* How the rows of a screen are shared: chunks get what CPUs leave, and half of all at least. */
static size_t rows_for_cpus(size_t rows, size_t nr_chunks)
{
	size_t cpus = cpumask_weight(&cpu_possible_mask);
	size_t most = nr_chunks < rows / 2 ? rows - nr_chunks : rows - rows / 2;

	return min(cpus, most);
}

void watch_frame_draw(struct watch_frame *frame, const char *last)
{
	size_t rows =
		min(max(terminal_rows(), (size_t)OTHER_ROWS + 4), (size_t)MAX_ROWS) - OTHER_ROWS;
	struct pcpu_stats stats;
	size_t count, cpu_rows;

	monitor_settle();
	count = pcpu_inspect_chunks(chunks, MAX_CHUNKS);
	cpu_rows = rows_for_cpus(rows, count);
	frame->text = frame->text == frame->texts ? frame->texts + frame->room : frame->texts;
	frame->length = 0;
	frame->columns = min(terminal_columns(), (size_t)MAX_ROW);
	frame->before_us = frame->us;
	frame->us = time_us();
	pcpu_stats_get(&stats);
	sort_chunks(min(count, (size_t)MAX_CHUNKS));
	add(frame, WATCH_ENTER "\033[H");
	add_title(frame);
	add_cpus(frame, cpu_rows);
	add_totals(frame, &stats);
	add_chunks(frame, count, rows - cpu_rows);
	add(frame, "\033[J");
	add(frame, last);
}
