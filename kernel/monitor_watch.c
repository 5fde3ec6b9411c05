/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor's watch: CPUs and chunks on the whole screen, drawn again and again until a key comes.
 * A command may run meanwhile, in a thread of its own; what it prints is held back until the end.
 *
 * The picture is on the terminal's other screen. Log lines go to the ordinary one: the console is told
 * to change screens for them (console_overlay), and they are there when watch has ended.
 */
#include "kernel/keys.h"
#include "kernel/monitor_watch.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/thread.h"
#include "mm/vmalloc.h"

#define PERIOD_MS   250
#define ASK_FRAMES  8		/* between two questions for the terminal's size */
#define HELD_SIZE   (32u << 10) /* of what the command prints */
#define LEAVE_OTHER "\033[?25h\033[?1049l"

/* The command that runs meanwhile. */
struct watched {
	unsigned int argc; /* 0: none does */
	char **argv;
	struct thread *thread;
	char *held; /* what it has printed */
	bool good, done;
};

static void run_watched(void *arg)
{
	struct watched *watched = arg;

	watched->good = monitor_run_words(watched->argc, watched->argv);
	WRITE_ONCE(watched->done, true);
}

static bool start(struct watched *watched)
{
	watched->good = true;
	if (watched->argc == 0)
		return true;
	watched->held = vmalloc(HELD_SIZE, "monitor watch");
	if (!watched->held)
		return false;
	monitor_hold(watched->held, HELD_SIZE);
	monitor_stop_by_others(true);
	watched->thread = thread_create("watched", run_watched, watched, THREAD_ANY_CPU);
	if (watched->thread)
		return true;
	monitor_capture(NULL, 0);
	monitor_stop_by_others(false);
	vfree(watched->held);
	return false;
}

/* Waits for its end, and prints what it has printed. */
static void finish(struct watched *watched)
{
	size_t n;

	if (!watched->thread)
		return;
	thread_join(watched->thread);
	monitor_stop_by_others(false);
	monitor_capture(NULL, 0);
	n = strlen(watched->held);
	monitor_write(watched->held, n);
	if (n == HELD_SIZE - 1)
		monitor_print("\n... and more, for which there was no room");
	vfree(watched->held);
}

/* Draws until a key comes; a command that still runs is asked to stop then. */
static void show(struct watch_frame *frame, struct watched *watched)
{
	int key = KEY_NONE;

	for (unsigned int n = 0; key == KEY_NONE; n++) {
		size_t known = n == 0 ? 0 : strlen(WATCH_ENTER);

		frame->done = READ_ONCE(watched->done);
		watch_frame_draw(frame, n % ASK_FRAMES == 0 ? TERMINAL_ASK_SIZE : "");
		console_overlay(frame->text + known, frame->length - known, LEAVE_OTHER,
				frame->text, frame->length);
		key = monitor_next_key(PERIOD_MS);
	}
	if (key == CTRL('C') || !READ_ONCE(watched->done))
		monitor_stop_ask();
}

/* "replay pods", cut to what fits. */
static void join_words(unsigned int argc, char **argv, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < argc && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i > 0 ? " " : "", argv[i]);
}

static bool watch(struct watched *watched)
{
	char what[40];
	struct watch_frame frame = {.what = what};

	join_words(watched->argc, watched->argv, what, sizeof(what));
	if (!watch_frame_init(&frame))
		return monitor_error("watch: no memory for a picture: free some areas first");
	if (!start(watched)) {
		watch_frame_free(&frame);
		return monitor_error("watch: no memory for a thread: free some areas first");
	}
	show(&frame, watched);
	console_overlay(LEAVE_OTHER, strlen(LEAVE_OTHER), NULL, "", 0);
	finish(watched);
	watch_frame_free(&frame);
	return watched->good;
}

static bool run_watch(unsigned int argc, char **argv)
{
	static bool watching;
	struct watched watched = {.argc = argc - 1, .argv = argv + 1, .done = argc == 1};
	bool good;

	if (!monitor_on_terminal())
		return monitor_error("watch: draws on a terminal only: chunks, map, cpus and stats "
				     "print the same");
	if (watching)
		return monitor_error("watch: the screen shows it already");
	watching = true;
	good = watch(&watched);
	watching = false;
	return good;
}

const struct monitor_command monitor_watch_commands[] = {
	{"watch", "[COMMAND...]", "CPUs and chunks, as a command runs, until a key",
	 "watch replay pods", run_watch},
	{NULL, NULL, NULL, NULL, NULL},
};
