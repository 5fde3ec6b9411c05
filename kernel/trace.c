/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trace parser: text to events, in two passes over the same line reader. The first needs no
 * memory and knows the form of a line; the second knows which IDs are live, from a hash table with
 * open addressing (linear probing, Knuth vol. 3, 6.4). An entry whose ID was freed stays where it
 * is and is found again when the ID is used anew, so nothing is ever deleted from a probe chain.
 */
#include "kernel/trace.h"

#include "kernel/errno.h"

/* A stretch of the text: a line, or a word of it. */
struct span {
	const char *start, *end;
};

/* One line that is an event. */
struct record {
	uint64_t id;
	struct trace_event event;
};

/* Reads the text line by line. */
struct reader {
	struct span rest;
	unsigned int line; /* number of the line read last */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next line without its end; false at the end of the text. */
static bool next_line(struct reader *reader, struct span *line)
{
	const char *p = reader->rest.start, *end = reader->rest.end;

	if (p == end)
		return false;
	line->start = p;
	while (p < end && *p != '\n')
		p++;
	line->end = p;
	if (p < end)
		p++;
	if (line->end > line->start && line->end[-1] == '\r')
		line->end--;
	reader->rest.start = p;
	reader->line++;
	return true;
}

/* Takes the next word off the line; false if there is none. */
static bool next_word(struct span *line, struct span *word)
{
	const char *p = line->start;

	while (p < line->end && is_blank(*p))
		p++;
	word->start = p;
	while (p < line->end && !is_blank(*p))
		p++;
	word->end = p;
	line->start = p;
	return word->end > word->start;
}

/* A decimal number from the line's next word. */
static bool take_number(struct span *line, uint64_t limit, uint64_t *out)
{
	struct span word;
	uint64_t value = 0;

	if (!next_word(line, &word))
		return false;
	for (const char *p = word.start; p < word.end; p++) {
		unsigned int digit = (unsigned int)*p - '0';

		if (digit > 9 || value > (limit - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

static uint16_t flag_of(char c)
{
	switch (c) {
	case 'r':
		return TRACE_RESERVED;
	case 'n':
		return TRACE_NOSLEEP;
	case 'i':
		return TRACE_IRQS_OFF;
	default:
		return 0;
	}
}

static bool take_flags(struct span *line, uint16_t *out)
{
	struct span word;
	uint16_t flags = 0;

	if (!next_word(line, &word))
		return false;
	if (word.end - word.start != 1 || *word.start != '-') {
		for (const char *p = word.start; p < word.end; p++) {
			uint16_t flag = flag_of(*p);

			if (flag == 0 || (flags & flag))
				return false;
			flags |= flag;
		}
	}
	*out = flags;
	return true;
}

static bool take_site(struct span *line)
{
	struct span word;

	if (!next_word(line, &word))
		return false;
	for (const char *p = word.start; p < word.end; p++) {
		if ((unsigned char)*p <= ' ' || (unsigned char)*p > '~')
			return false;
	}
	return true;
}

/* What an allocation has between its ID and its CPU. */
static const char *parse_shape(struct span *line, struct trace_event *event)
{
	uint64_t size, align;

	if (!take_number(line, TRACE_MAX_SIZE, &size) || size == 0)
		return "SIZE is not a number from 1 to 65536";
	if (!take_number(line, TRACE_MAX_ALIGN, &align) || !is_power_of_2(align))
		return "ALIGN is not a power of two up to 4096";
	event->size = (uint32_t)size;
	event->align = (uint32_t)align;
	return NULL;
}

/* A line whose first word is `kind`. Returns NULL, or what is wrong with it. */
static const char *parse_record(struct span kind, struct span *line, struct record *out)
{
	bool alloc = *kind.start == 'a';
	const char *wrong = NULL;
	struct span extra;
	uint64_t cpu;

	*out = (struct record){0};
	if (kind.end - kind.start != 1 || (!alloc && *kind.start != 'f'))
		return "a line begins with neither '#', 'a' nor 'f'";
	if (!take_number(line, UINT64_MAX, &out->id))
		return "ID is not a decimal number below 2^64";
	if (alloc)
		wrong = parse_shape(line, &out->event);
	if (wrong)
		return wrong;
	if (!take_number(line, TRACE_MAX_CPU, &cpu))
		return "CPU is not a number from 0 to 65535";
	out->event.cpu = (uint16_t)cpu;
	if (!take_flags(line, &out->event.flags))
		return "FLAGS are neither '-' nor letters of r, n and i, each once";
	if (alloc && !take_site(line))
		return "SITE is not a word";
	if (next_word(line, &extra))
		return "more words than the event has";
	return NULL;
}

/* The next event: 1, 0 at the end of the text, -EINVAL with *error. */
static int next_record(struct reader *reader, struct record *out, struct trace_error *error)
{
	struct span line, word;
	const char *wrong;

	do {
		if (!next_line(reader, &line))
			return 0;
	} while ((line.start < line.end && *line.start == '#') || !next_word(&line, &word));
	wrong = parse_record(word, &line, out);
	if (!wrong)
		return 1;
	*error = (struct trace_error){reader->line, wrong};
	return -EINVAL;
}

int trace_scan(const char *text, size_t size, size_t *nr_events, struct trace_error *error)
{
	struct reader reader = {.rest = {text, text + size}};
	struct record record;
	size_t count = 0;
	int status;

	while ((status = next_record(&reader, &record, error)) > 0)
		count++;
	if (status == 0)
		*nr_events = count;
	return status;
}

/* The table's entry of an ID, or the unused one where it belongs. The table is at most half full,
 * so there always is one. */
static struct trace_id *id_find(struct trace_id *table, size_t room, uint64_t id)
{
	uint64_t hash = id * 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: spreads neighbours */
	size_t n = (size_t)(((unsigned __int128)hash * room) >> 64);

	while (table[n].state != 0 && table[n].id != id)
		n = n + 1 < room ? n + 1 : 0;
	return &table[n];
}

/* Gives the event its area. Returns NULL, or what is wrong with it. */
static const char *resolve(struct record *record, struct trace_id *entry, size_t *nr_areas)
{
	if (record->event.size == 0) {
		if (entry->state != 1)
			return entry->state == 0 ? "a free of an ID that was never allocated"
						 : "a free of an ID that is free already";
		entry->state = 2;
		record->event.area = entry->area;
		return NULL;
	}
	if (entry->state == 1)
		return "an allocation under an ID that is live";
	record->event.area = (uint32_t)(*nr_areas)++;
	*entry = (struct trace_id){record->id, record->event.area, 1};
	return NULL;
}

int trace_parse(const char *text, size_t size, struct trace_event *events, size_t nr_events,
		struct trace_id *id_table, size_t *nr_areas, struct trace_error *error)
{
	struct reader reader = {.rest = {text, text + size}};
	size_t room = nr_events * TRACE_IDS_PER_EVENT;
	struct record record;
	int status = 0;

	*nr_areas = 0;
	for (size_t i = 0; i < room; i++)
		id_table[i].state = 0;
	for (size_t i = 0; i < nr_events && (status = next_record(&reader, &record, error)) > 0;
	     i++) {
		const char *wrong = resolve(&record, id_find(id_table, room, record.id), nr_areas);

		if (wrong) {
			*error = (struct trace_error){reader.line, wrong};
			return -EINVAL;
		}
		events[i] = record.event;
	}
	return status < 0 ? status : 0;
}
