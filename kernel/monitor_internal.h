/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the monitor share: the command tables, output, arguments. */
#pragma once

#include "kernel/complete.h"
#include "kernel/map_bar.h"
#include "kernel/monitor.h"

/*
 * A command: one entry of a table, and all there is to say about it. run gets the words, its own name
 * first, as many as the usage wants; it leaves them as they are. It checks all of them before it changes
 * anything; it prints its answer, or one error line by monitor_error, and returns whether it succeeded.
 */
struct monitor_command {
	const char *name;
	const char *args;    /* its usage (usage.h); kinds of arguments: monitor_words.c */
	const char *help;    /* what it does, in a few words */
	const char *example; /* a line to type */
	bool (*run)(unsigned int argc, char **argv);
};

#define MONITOR_MAX_WORDS (MONITOR_LINE_SIZE / 2 + 1)

/* Each table ends with an entry without a name; monitor.c lists the tables. */
extern const struct monitor_command monitor_control_commands[], monitor_help_commands[],
	monitor_map_commands[], monitor_percpu_commands[], monitor_records_commands[],
	monitor_system_commands[], monitor_watch_commands[];

/* All commands, table by table; NULL past the last. */
const struct monitor_command *monitor_command_at(size_t i);
/* The command of that name; NULL with an error printed if there is none. */
const struct monitor_command *monitor_command_find(const char *name);

/* Runs the command that the words are; true if it succeeded. It may be called from inside a command. */
bool monitor_run_words(unsigned int argc, char **argv);

/* ---- In a panic (monitor_panic.c) ---- */
bool monitor_in_panic(void);
/* Forgets what was under way, and from now on has the commands of that table alone (monitor.c). */
void monitor_restart(const struct monitor_command *commands);

/* Memory for an answer: vmalloc's, or in a panic from a pool that lasts for a line. NULL without any. */
void *monitor_alloc(size_t size, const char *name);
void monitor_free(void *memory);

/* ---- Words that may stand for a kind of argument (monitor_words.c) ---- */
extern const struct complete_source monitor_words;
/* Those of PTR: the last areas that alloc gave, as long as they live (monitor_percpu.c). */
void monitor_recent_areas(complete_each *each, void *arg);
/* Has CPUs give back the areas they keep ready, so that chunks and maps show what callers hold; in a panic
 * nothing changes (monitor_percpu.c). Sleeps. */
void monitor_settle(void);
/* " (did you mean WORD?)" if a word of that kind is near, else ""; stays valid until the next call. */
const char *monitor_did_you_mean(const char *kind, const char *typed);

/* ---- Output (monitor_output.c) ---- */

/* One record: the newline is added. Up to 512 bytes. */
void monitor_print(const char *fmt, ...) __printf(1, 2);
/* "error: …", a line. Returns false, for the command to return. */
bool monitor_error(const char *fmt, ...) __printf(1, 2);
void monitor_write(const char *text, size_t length);

/* From now on what commands print is kept in buf, as for the terminal, and what does not fit is
 * dropped; until monitor_capture(NULL, 0). */
void monitor_hold(char *buf, size_t size);

/* A record of any length, built piece by piece in memory of its own. */
struct monitor_record {
	char *text;
	size_t room, length;
};
/* False with an error printed when there is no memory for room bytes (newline included). */
bool monitor_record_begin(struct monitor_record *record, size_t room);
void monitor_record_add(struct monitor_record *record, const char *fmt, ...) __printf(2, 3);
/* Prints it as a line and frees it. */
void monitor_record_end(struct monitor_record *record);

/* The word as it may stand in a message: short, printable, in quotes. Up to four at a time. */
const char *monitor_quote(const char *word);

/* What switches a colour on or off; "" where answers are plain: in a pipe, and when captured. */
enum monitor_colour {
	COLOUR_OFF,
	COLOUR_PROMPT,
	COLOUR_ERROR,
	COLOUR_FLAG,
	COLOUR_USED,
	COLOUR_FREE,
	COLOUR_NO_MEMORY,
};
const char *monitor_colour(enum monitor_colour colour);
/* Whether a person reads what is printed now. */
bool monitor_on_terminal(void);

/* ---- Arguments (monitor_output.c): false with an error printed if the word is none. ---- */
bool monitor_number(const char *what, const char *word, uint64_t limit, uint64_t *out);

/* ---- A chunk's area map (monitor_map.c) ---- */
struct monitor_map {
	struct map_view view; /* of no entries if there is no such chunk */
	int *entries;	      /* its memory, kept from one chunk to the next; NULL at first */
	uint8_t *pages;
	size_t entry_room, page_room;
};
/* Makes room for so many; what was copied is lost. False when there is no memory. */
bool monitor_map_room(struct monitor_map *map, size_t nr_entries, size_t nr_pages);
/* Copies a chunk's map and pages; false when there is no memory for them. */
bool monitor_map_take(struct monitor_map *map, unsigned long id);
void monitor_map_put(struct monitor_map *map);
/* The map as a bar of so many columns (no more than fit into MONITOR_BAR_SIZE), in colours, no newline. */
void monitor_map_bar(const struct map_view *view, size_t columns, char *buf, size_t size);
#define MONITOR_BAR_SIZE 2048

/* ---- Input (monitor_input.c, monitor_terminal.c) ---- */
/*
 * Prompts and waits for a line from COM1, without its end, in a buffer that stays valid until the next
 * call; NULL when it was longer than MONITOR_LINE_SIZE. In a pipe, bytes that are no text are in it as
 * '\1'. A terminal's line can be edited; an end of file reads as "poweroff" there, Ctrl-C as "".
 */
const char *monitor_read_line(const char *prompt);
const char *monitor_read_terminal(const char *prompt);
/* Prints the words that the line's word may be (monitor_tab.c). */
void monitor_list_words(const char *text, size_t length);
/* The next byte: whether there is one already; whether one came within so many ms (0: waits for ever,
 * true); takes it, waiting for ever. */
bool monitor_byte_ready(void);
bool monitor_wait_byte(unsigned int timeout_ms);
char monitor_next_byte(void);
/* The next key of a terminal (keys.h), KEY_NONE if none came within so many ms (0: waits for ever). */
int monitor_next_key(unsigned int timeout_ms);

/* From here on a command runs, and on a terminal Ctrl-C asks it to stop. */
void monitor_stop_begin(void);
/* Whether Ctrl-C was typed since; commands that take long ask now and then. Thread context. */
bool monitor_stopped(void);
/* Asks it, whoever runs it; and who reads the keys and does that: others (true), or monitor_stopped. */
void monitor_stop_ask(void);
void monitor_stop_by_others(bool others);
/* While not enabled, nobody is asked to stop. Returns what it was. */
bool monitor_stop_enable(bool enable);
