/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's map: entry by entry for a program, drawn as a bar (map_bar.h) for a person. */
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/terminal.h"
#include "percpu/inspect.h"

#define MAX_COLUMNS 200 /* of a bar */

/* ---- A chunk's map and pages, copied ---- */

/* Makes room for n objects in an array of *room; what was in it is lost. */
static bool grow(void **array, size_t *room, size_t n, size_t size)
{
	if (n <= *room)
		return true;
	if (*array)
		monitor_free(*array);
	*array = monitor_alloc(n * size, "monitor map");
	*room = *array ? n : 0;
	return *array != NULL;
}

bool monitor_map_room(struct monitor_map *map, size_t nr_entries, size_t nr_pages)
{
	void *entries = map->entries, *pages = map->pages;
	bool room = grow(&entries, &map->entry_room, nr_entries, sizeof(*map->entries)) &&
		    grow(&pages, &map->page_room, nr_pages, sizeof(*map->pages));

	map->entries = entries;
	map->pages = pages;
	return room;
}

bool monitor_map_take(struct monitor_map *map, unsigned long id)
{
	ssize_t entries = pcpu_inspect_map(id, NULL, 0), pages = pcpu_inspect_pages(id, NULL, 0);

	map->view = (struct map_view){.entries = NULL};
	if (entries < 0 || pages < 0)
		return true;
	if (!monitor_map_room(map, (size_t)entries + 1, (size_t)pages))
		return false;
	entries =
		min(pcpu_inspect_map(id, map->entries, map->entry_room), (ssize_t)map->entry_room);
	pages = pcpu_inspect_pages(id, map->pages, map->page_room);
	map->view = (struct map_view){map->entries, (size_t)max(entries, (ssize_t)0), map->pages,
				      (size_t)max(pages, (ssize_t)0)};
	return true;
}

void monitor_map_put(struct monitor_map *map)
{
	if (map->entries)
		monitor_free(map->entries);
	if (map->pages)
		monitor_free(map->pages);
}

/* ---- For a program ---- */

static bool print_entries(unsigned long id, const struct map_view *view)
{
	struct monitor_record record;

	if (!monitor_record_begin(&record, 32 + view->nr_entries * 12))
		return false;
	monitor_record_add(&record, "map=%lu", id);
	for (size_t i = 0; i < view->nr_entries; i++)
		monitor_record_add(&record, view->entries[i] > 0 ? " +%d" : " %d",
				   view->entries[i]);
	monitor_record_end(&record);
	return true;
}

/* ---- For a person ---- */

static const struct {
	char glyph;
	enum monitor_colour colour;
	const char *what;
} looks[MAP_NR_CELLS] = {
	[MAP_NO_MEMORY] = {'.', COLOUR_NO_MEMORY, "free, no memory"},
	[MAP_FREE] = {'-', COLOUR_FREE, "free"},
	[MAP_PARTLY] = {'+', COLOUR_USED, "partly in use"},
	[MAP_USED] = {'#', COLOUR_USED, "in use"},
};

void monitor_map_bar(const struct map_view *view, size_t columns, char *buf, size_t size)
{
	enum map_cell cells[MAX_COLUMNS];
	size_t n = 0;

	columns = min(columns, (size_t)MAX_COLUMNS);
	map_bar(view, cells, columns);
	for (size_t i = 0; i < columns && n < size; i++) {
		bool begins = i == 0 || looks[cells[i]].colour != looks[cells[i - 1]].colour;

		n += (size_t)snprintf(buf + n, size - n, "%s%c",
				      begins ? monitor_colour(looks[cells[i]].colour) : "",
				      looks[cells[i]].glyph);
	}
	if (n < size)
		snprintf(buf + n, size - n, "%s", monitor_colour(COLOUR_OFF));
}

static void print_legend(size_t bytes)
{
	char text[256] = "";
	size_t n = 0;

	for (unsigned int cell = MAP_NR_CELLS; cell-- > 0;)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%c%s %s  ",
				      monitor_colour(looks[cell].colour), looks[cell].glyph,
				      monitor_colour(COLOUR_OFF), looks[cell].what);
	monitor_print("%sa column: %zu bytes", text, bytes);
}

static bool draw(unsigned long id, const struct map_view *view)
{
	size_t columns = min(terminal_columns() - 1, (size_t)MAX_COLUMNS);
	char text[MONITOR_BAR_SIZE], ticks[MAX_COLUMNS + 1];
	struct map_sums sums;

	map_sum(view, &sums);
	monitor_print("chunk=%lu areas=%zu in_use=%zu free=%zu longest_free=%zu pages=%zu/%zu", id,
		      sums.nr_used, sums.used, sums.free, sums.longest_free, sums.pages,
		      view->nr_pages);
	map_scale(sums.span, text, ticks, columns);
	monitor_print("%s", text);
	monitor_print("%s", ticks);
	monitor_map_bar(view, columns, text, sizeof(text));
	monitor_write(text, strlen(text));
	monitor_write("\n", 1);
	print_legend(sums.span / columns);
	return true;
}

static bool run_map(unsigned int argc __unused, char **argv)
{
	struct monitor_map map = {.entries = NULL};
	uint64_t id;
	bool good;

	if (!monitor_number("map: N", argv[1], UINT64_MAX, &id))
		return false;
	monitor_settle();
	if (!monitor_map_take(&map, id))
		good = monitor_error("map: no memory for its entries: free some areas first");
	else if (map.view.nr_entries == 0)
		good = monitor_error("map: there is no chunk %lu: chunks lists them", id);
	else
		good = monitor_on_terminal() ? draw(id, &map.view) : print_entries(id, &map.view);
	monitor_map_put(&map);
	return good;
}

const struct monitor_command monitor_map_commands[] = {
	{"map", "N", "area map of chunk N: -bytes in use, +bytes free", "map 0", run_map},
	{NULL, NULL, NULL, NULL, NULL},
};
