/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor: reads a line, cuts it into commands at ';' and words at blanks, and runs them one
 * after the other. A command that fails does not keep the rest of its line from running.
 *
 * Commands are in tables (monitor_percpu.c, monitor_system.c); the number of words is checked here,
 * what they mean by the command, before it changes anything.
 */
#include "kernel/monitor_internal.h"

#include "kernel/printk.h"
#include "kernel/string.h"

#define PROMPT "percpu> "

/* A line being run. A test run by the `test` command may run lines itself, so there are two. */
static struct command_line {
	char text[MONITOR_LINE_SIZE + 1];
	char *words[MONITOR_MAX_WORDS];
} lines[2];
static unsigned int depth;

static bool run_help(unsigned int argc, char **argv);

static const struct monitor_command help_command = {
	"help", "[COMMAND]", "what commands there are, or one of them", 0, 1, run_help,
};

static const struct monitor_command *find_in(const struct monitor_command *table, const char *name)
{
	for (; table->name; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static const struct monitor_command *find_command(const char *name)
{
	const struct monitor_command *command = find_in(monitor_percpu_commands, name);

	if (!command)
		command = find_in(monitor_system_commands, name);
	if (!command && strcmp(name, help_command.name) == 0)
		command = &help_command;
	return command;
}

/* "name ARGUMENTS" */
static void format_usage(const struct monitor_command *command, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", command->name, command->args[0] != '\0' ? " " : "",
		 command->args);
}

static void print_usage(const struct monitor_command *command)
{
	char usage[64];

	format_usage(command, usage, sizeof(usage));
	monitor_print("%-36s%s", usage, command->help);
}

static bool wrong_count(const struct monitor_command *command, unsigned int count)
{
	char usage[64];

	format_usage(command, usage, sizeof(usage));
	return monitor_error("%s: too %s arguments (%u): usage: %s", command->name,
			     count < command->min_args ? "few" : "many", count, usage);
}

static bool unknown_command(const char *name)
{
	return monitor_error("unknown command %s: help lists the commands", monitor_quote(name));
}

static bool run_help(unsigned int argc, char **argv)
{
	const struct monitor_command *command;

	if (argc == 2) {
		command = find_command(argv[1]);
		if (!command)
			return unknown_command(argv[1]);
		print_usage(command);
		return true;
	}
	for (command = monitor_percpu_commands; command->name; command++)
		print_usage(command);
	for (command = monitor_system_commands; command->name; command++)
		print_usage(command);
	print_usage(&help_command);
	return true;
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

/* Runs one command; true if it succeeded or there is none. */
static bool run_command(char *text, char **words)
{
	unsigned int argc = split(text, words);
	const struct monitor_command *command;

	if (argc == 0)
		return true;
	command = find_command(words[0]);
	if (!command)
		return unknown_command(words[0]);
	if (argc - 1 < command->min_args || argc - 1 > command->max_args)
		return wrong_count(command, argc - 1);
	return command->run(argc, words);
}

static bool line_too_long(void)
{
	return monitor_error("a line of more than %d bytes: split it into several",
			     MONITOR_LINE_SIZE);
}

unsigned int monitor_execute(const char *text)
{
	struct command_line *line = &lines[depth];
	unsigned int failed = 0;
	char *rest, *next;

	if (depth == ARRAY_SIZE(lines))
		return !monitor_error("the monitor is nested too deep: leave the inner one first");
	if (strlcpy(line->text, text, sizeof(line->text)) >= sizeof(line->text))
		return !line_too_long();
	depth++;
	for (rest = line->text; rest; rest = next) {
		next = strchr(rest, ';');
		if (next)
			*next++ = '\0';
		failed += !run_command(rest, line->words);
	}
	depth--;
	return failed;
}

void monitor_run(void)
{
	for (;;) {
		const char *text = monitor_read_line(PROMPT);

		if (text)
			monitor_execute(text);
		else
			line_too_long();
	}
}
