/* SPDX-License-Identifier: GPL-2.0-only */
/* The monitor's help: what commands there are, one of them with an example, the keys of a terminal. */
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"

static void print_entry(const char *what, const char *help)
{
	monitor_print("%-30s%s", what, help);
}

static void print_usage(const struct monitor_command *command)
{
	char usage[64];

	snprintf(usage, sizeof(usage), "%s %s", command->name, command->args);
	print_entry(usage, command->help);
}

static bool help_keys(void)
{
	static const char *const keys[][2] = {
		{"Tab", "complete the word; twice: list what it may be"},
		{"Up Down, Ctrl-P Ctrl-N", "the lines typed before"},
		{"Left Right, Ctrl-B Ctrl-F", "move by one character"},
		{"Home End, Ctrl-A Ctrl-E", "move to the line's start, end"},
		{"Backspace, Del, Ctrl-W", "delete before, under the cursor; a word"},
		{"Ctrl-K, Ctrl-U", "delete from the cursor on; all before it"},
		{"Ctrl-L", "clear the screen"},
		{"Ctrl-C", "drop the line; stop what runs"},
		{"Ctrl-D", "in an empty line: poweroff"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		print_entry(keys[i][0], keys[i][1]);
	return true;
}

static bool help_all(void)
{
	const struct monitor_command *command;

	for (size_t i = 0; (command = monitor_command_at(i)); i++)
		print_usage(command);
	return true;
}

static bool run_help(unsigned int argc, char **argv)
{
	const struct monitor_command *command;

	if (argc == 1)
		return help_all();
	if (strcmp(argv[1], "keys") == 0)
		return help_keys();
	command = monitor_command_find(argv[1]);
	if (!command)
		return false;
	print_usage(command);
	monitor_print("example: %s", command->example);
	return true;
}

const struct monitor_command monitor_help_commands[] = {
	{"help", "[COMMAND|keys]", "all commands; one with an example; keys", "help alloc",
	 run_help},
	{NULL, NULL, NULL, NULL, NULL},
};
