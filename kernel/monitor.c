/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor: reads a line, cuts it into commands at ';' and words at blanks, and runs them one
 * after the other. A command that fails does not keep the rest of its line from running, Ctrl-C does.
 *
 * Commands are entries of tables (monitor_internal.h); the number of words is checked here, by the
 * entry's usage, what they mean by the command, before it changes anything.
 */
#include "kernel/monitor_internal.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/usage.h"

#define PROMPT	    "percpu> "
#define MAX_NESTING 8 /* commands that run commands */

/* A line being run. A test run by the `test` command may run lines itself, so there are two. */
static struct command_line {
	char text[MONITOR_LINE_SIZE + 1];
	char *words[MONITOR_MAX_WORDS];
} lines[2];
static unsigned int depth;   /* of lines */
static unsigned int nesting; /* of commands in commands */

static const struct monitor_command *const tables[] = {
	monitor_percpu_commands, monitor_map_commands,	   monitor_records_commands,
	monitor_system_commands, monitor_control_commands, monitor_watch_commands,
	monitor_help_commands,
};

static const struct monitor_command *only; /* the one table, if not NULL */

void monitor_restart(const struct monitor_command *commands)
{
	only = commands;
	depth = nesting = 0;
	monitor_capture(NULL, 0);
	monitor_stop_enable(false);
}

const struct monitor_command *monitor_command_at(size_t i)
{
	for (size_t t = 0; t < (only ? 1 : ARRAY_SIZE(tables)); t++) {
		for (const struct monitor_command *c = only ? only : tables[t]; c->name; c++) {
			if (i-- == 0)
				return c;
		}
	}
	return NULL;
}

const struct monitor_command *monitor_command_find(const char *name)
{
	const struct monitor_command *command;

	for (size_t i = 0; (command = monitor_command_at(i)); i++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	monitor_error("unknown command %s%s: help lists the commands", monitor_quote(name),
		      monitor_did_you_mean("COMMAND", name));
	return NULL;
}

static bool wrong_count(const struct monitor_command *command, unsigned int count)
{
	return monitor_error("%s: too %s arguments (%u): usage: %s%s%s", command->name,
			     count < usage_min(command->args) ? "few" : "many", count,
			     command->name, command->args[0] != '\0' ? " " : "", command->args);
}

/* Cuts the text at blanks; returns the number of words. */
static unsigned int split(char *text, char **words)
{
	unsigned int count = 0;

	for (;;) {
		while (*text == ' ' || *text == '\t')
			text++;
		if (*text == '\0')
			return count;
		words[count++] = text;
		while (*text != '\0' && *text != ' ' && *text != '\t')
			text++;
		if (*text != '\0')
			*text++ = '\0';
	}
}

bool monitor_run_words(unsigned int argc, char **argv)
{
	const struct monitor_command *command = monitor_command_find(argv[0]);
	bool good;

	if (!command)
		return false;
	if (argc - 1 < usage_min(command->args) || argc - 1 > usage_max(command->args))
		return wrong_count(command, argc - 1);
	if (nesting == MAX_NESTING)
		return monitor_error("%s: more than %d commands inside each other: use fewer",
				     command->name, MAX_NESTING);
	nesting++;
	good = command->run(argc, argv);
	nesting--;
	return good;
}

/* Runs one command; true if it succeeded or there is none. */
static bool run_command(char *text, char **words)
{
	unsigned int argc = split(text, words);

	return argc == 0 || monitor_run_words(argc, words);
}

static bool line_too_long(void)
{
	return monitor_error("a line of more than %d bytes: split it into several",
			     MONITOR_LINE_SIZE);
}

/* Runs the commands of a line that was copied to line->text; returns how many failed. */
static unsigned int run_line(struct command_line *line)
{
	unsigned int failed = 0;
	char *rest, *next;

	for (rest = line->text; rest && !monitor_stopped(); rest = next) {
		next = strchr(rest, ';');
		if (next)
			*next++ = '\0';
		failed += !run_command(rest, line->words);
	}
	return failed;
}

unsigned int monitor_execute(const char *text)
{
	struct command_line *line = &lines[depth];
	unsigned int failed;
	bool enabled;

	if (depth == ARRAY_SIZE(lines))
		return !monitor_error("the monitor is nested too deep: leave the inner one first");
	if (strlcpy(line->text, text, sizeof(line->text)) >= sizeof(line->text))
		return !line_too_long();
	enabled = monitor_stop_enable(false);
	if (depth == 0) /* what a test runs is not what the person at the prompt sees */
		monitor_stop_enable(enabled);
	depth++;
	failed = run_line(line);
	depth--;
	monitor_stop_enable(enabled);
	return failed;
}

void monitor_run(void)
{
	for (;;) {
		const char *text = monitor_read_line(PROMPT);

		monitor_stop_begin();
		if (text)
			monitor_execute(text);
		else
			line_too_long();
		monitor_stop_enable(false);
	}
}
