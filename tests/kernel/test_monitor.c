/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor's commands, run as lines and judged by what they print. A bad line must give exactly
 * one line "error: …" and leave chunks and maps as they were.
 */
#include "kernel/cpumask.h"
#include "kernel/monitor_internal.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "kernel/usage.h"
#include "mm/vmalloc.h"
#include "percpu/guard.h"
#include "percpu/inspect.h"

#define OUTPUT_SIZE (256u << 10) /* `vm` with 255 CPUs */

/* Buffers of the running test. */
static char *output, *state_before, *state_after;

static bool buffers_get(void)
{
	output = vmalloc(OUTPUT_SIZE, "test output");
	state_before = vmalloc(OUTPUT_SIZE, "test output");
	state_after = vmalloc(OUTPUT_SIZE, "test output");
	return output && state_before && state_after;
}

static void buffers_put(void)
{
	vfree(output);
	vfree(state_before);
	vfree(state_after);
}

static unsigned int run_into(char *buf, const char *text)
{
	unsigned int failed;

	monitor_capture(buf, OUTPUT_SIZE);
	failed = monitor_execute(text);
	monitor_capture(NULL, 0);
	return failed;
}

static unsigned int run(const char *text)
{
	return run_into(output, text);
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_one_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end && end[1] == '\0';
}

/* The number after key in the last output; ~0 if there is none. */
static uint64_t field(const char *key)
{
	const char *found = strstr(output, key);
	char word[24];
	uint64_t value = ~0ul;
	size_t n = 0;

	for (found = found ? found + strlen(key) : ""; *found > ' ' && n < sizeof(word) - 1;)
		word[n++] = *found++;
	word[n] = '\0';
	parse_u64(word, &value);
	return value;
}

static void expect_refused(struct test_run *t, const char *text)
{
	run_into(state_before, "chunks;map 0");
	EXPECT_EQ(run(text), 1);
	run_into(state_after, "chunks;map 0");
	if (!starts_with(output, "error: ") || !is_one_line(output))
		test_fail(t, __FILE__, __LINE__, "%.40s: want one error line, got %.200s", text,
			  output);
	if (strcmp(state_before, state_after) != 0)
		test_fail(t, __FILE__, __LINE__, "%.40s: changed the allocator's state", text);
}

/* For lines with a pointer in them. */
static void __printf(2, 3) expect_refused_f(struct test_run *t, const char *fmt, ...)
{
	char text[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	expect_refused(t, text);
}

static const char *const bad_lines[] = {
	"nonsense",
	"ALLOC 8",
	"alloc8",
	"\1\1\1",
	"alloc",
	"alloc x",
	"alloc -8",
	"alloc +8",
	"alloc 8.5",
	"alloc 0x",
	"alloc 0xg",
	"alloc 8k",
	"alloc 0",
	"alloc 65537",
	"alloc 18446744073709551616",
	"alloc 18446744073709551615",
	"alloc 0x10000000000000008",
	"alloc 8 0",
	"alloc 8 3",
	"alloc 8 8192",
	"alloc 8 x",
	"alloc 8 8 reserve",
	"alloc 8 8 8",
	"alloc 8 8 reserved 1",
	"alloc reserved",
	"free",
	"free 0",
	"free x",
	"free 0x1234",
	"free 0xffffffffffffffff",
	"free 0xffff888000001000",
	"free 1 2",
	"peek",
	"peek 0",
	"peek 0 0",
	"peek 9999 0x30000000",
	"peek 4294967296 0x30000000",
	"peek x 0x30000000",
	"peek 0 0x30000000 0",
	"peek 0 0x30000000 99999999",
	"peek 0 0x30000000 1 1",
	"peek 0 0xffff888000000000",
	"poke 0 0x1000 1",
	"poke 0",
	"chunks 1",
	"map",
	"map x",
	"map 99999",
	"map -1",
	"map 0 0",
	"sync now",
	"check all",
	"stats 1",
	"cpus 1",
	"mem 1",
	"vm 1",
	"help nonsense",
	"help help help",
	"replay nonsense",
	"replay pods netns",
	"test no_such_test_name",
	"test a b",
	"bench nonsense",
	"bench burst churn",
	"bench irqoff", /* an ordinary kernel does not watch interrupts */
	"reboot now",
	"repeat",
	"repeat 3",
	"repeat x sync",
	"repeat -1 sync",
	"repeat 1000001 sync",
	"repeat 3 nonsense",
	"repeat 3 map 99999",
	"watch",
	"watch sync",
	"watch nonsense",
	"time",
	"time nonsense",
	"time alloc 0",
	"time time time time time time time time sync",
	"poweroff now",
};

TEST(monitor_refuses_bad_lines_with_one_error, TEST_QUICK)
{
	unsigned long warnings = warn_unexpected();

	REQUIRE(buffers_get());
	/* Each looks at every CPU before and after. */
	for (size_t i = 0; i < ARRAY_SIZE(bad_lines); i += test_stride())
		expect_refused(t, bad_lines[i]);
	EXPECT_EQ(warn_unexpected(), warnings);
	buffers_put();
}

TEST(monitor_refuses_bad_pointers_with_one_error, TEST_QUICK)
{
	unsigned int last_cpu = nr_cpu_ids - 1, length = 64;
	uintptr_t ptr, unit = (uintptr_t)pcpu_base_addr;

	REQUIRE(buffers_get());
	EXPECT_EQ(run("alloc 64 64"), 0);
	ptr = field("ptr=");
	if (pcpu_guard_on)
		length += GUARD_ZONE; /* the back zone may be looked at and written, to try it */
	expect_refused_f(t, "free 0x%lx", ptr + 1);
	expect_refused_f(t, "free 0x%lx", ptr + 63);
	expect_refused_f(t, "free 0x%lx", ptr + pcpu_unit_size);
	expect_refused_f(t, "free 0x%lx", (uintptr_t)__per_cpu_start);
	expect_refused_f(t, "free 0x%lx", (uintptr_t)__per_cpu_start + 8);
	expect_refused_f(t, "free 0x%lx", unit);
	expect_refused_f(t, "free 0x%lx", (uintptr_t)&ptr);
	expect_refused_f(t, "free 0x%lx", (uintptr_t)monitor_execute);
	expect_refused_f(t, "peek 0 0x%lx %u", ptr, length + 1);
	expect_refused_f(t, "peek 0 0x%lx 2", ptr + length - 1);
	expect_refused_f(t, "peek %u 0x%lx 1", last_cpu + 1, ptr);
	expect_refused_f(t, "poke 0 0x%lx 256", ptr);
	expect_refused_f(t, "poke 0 0x%lx 1 2 x", ptr);
	expect_refused_f(t, "poke 0 0x%lx 1 2 3", ptr + length - 2);
	EXPECT_EQ(run("check"), 0);
	snprintf(state_before, OUTPUT_SIZE, "free 0x%lx", ptr);
	EXPECT_EQ(run(state_before), 0);
	expect_refused_f(t, "free 0x%lx", ptr);
	EXPECT_EQ(run("sync"), 0);
	expect_refused_f(t, "free 0x%lx", ptr);
	expect_refused_f(t, "peek 0 0x%lx", ptr);
	buffers_put();
}

TEST(monitor_takes_1024_bytes_and_not_one_more, TEST_QUICK)
{
	char *text;

	REQUIRE(buffers_get());
	text = vmalloc(8192, "test line");
	REQUIRE(text != NULL);
	memset(text, ' ', MONITOR_LINE_SIZE);
	memcpy(text, "check", 5);
	EXPECT_EQ(run(text), 0);
	EXPECT(starts_with(output, "ok chunks="));
	text[MONITOR_LINE_SIZE] = ' ';
	expect_refused(t, text);
	memset(text, 'x', 8191);
	expect_refused(t, text);
	memset(text, ';', MONITOR_LINE_SIZE);
	text[MONITOR_LINE_SIZE] = '\0';
	EXPECT_EQ(run(text), 0);
	EXPECT_EQ(strlen(output), 0);
	vfree(text);
	buffers_put();
}

TEST(monitor_allocates_pokes_peeks_and_frees, TEST_QUICK)
{
	char text[160];
	uintptr_t ptr;
	unsigned int last = 0, cpu;

	REQUIRE(buffers_get());
	for_each_possible_cpu (cpu)
		last = cpu;
	EXPECT_EQ(run("alloc 0x10 16"), 0);
	EXPECT(is_one_line(output));
	EXPECT_EQ(field(" size="), 16);
	EXPECT_EQ(field(" align="), 16);
	EXPECT_EQ(field(" offset=") % 16, 0);
	ptr = field("ptr=");
	snprintf(text, sizeof(text), "poke %u 0x%lx 1 0xff 128", last, ptr + 3);
	EXPECT_EQ(run(text), 0);
	EXPECT_EQ(field(" wrote="), 3);
	snprintf(text, sizeof(text), "peek %u 0x%lx 16", last, ptr);
	EXPECT_EQ(run(text), 0);
	EXPECT(strstr(output, " bytes=00000001ff8000000000000000000000\n"));
	snprintf(text, sizeof(text), "peek %u %lu", last, ptr);
	EXPECT_EQ(run(text), 0);
	EXPECT(strstr(output, " bytes=00000001ff800000\n"));
	if (last != 0) {
		snprintf(text, sizeof(text), "peek 0 0x%lx", ptr);
		EXPECT_EQ(run(text), 0);
		EXPECT(strstr(output, " bytes=0000000000000000\n"));
	}
	snprintf(text, sizeof(text), "free 0x%lx", ptr);
	EXPECT_EQ(run(text), 0);
	EXPECT_EQ(field("freed="), ptr);
	EXPECT(field(" length=") >= 16);
	buffers_put();
}

TEST(monitor_runs_the_rest_of_a_line_after_an_error, TEST_QUICK)
{
	const char *second;

	REQUIRE(buffers_get());
	EXPECT_EQ(run(" ; check ;; nonsense;alloc 0 ;\tcheck\t"), 2);
	EXPECT(starts_with(output, "ok chunks="));
	second = strchr(output, '\n');
	REQUIRE(second != NULL);
	EXPECT(starts_with(second + 1, "error: unknown command 'nonsense'"));
	EXPECT(strstr(second, "\nok chunks="));
	EXPECT_EQ(run(""), 0);
	EXPECT_EQ(strlen(output), 0);
	buffers_put();
}

/* chunks, map and the pointer's own offset tell the same. */
TEST(monitor_maps_add_up_to_the_chunks_numbers, TEST_QUICK)
{
	struct pcpu_chunk_info info;
	char text[32];
	long free_bytes = 0, used_bytes = 0;

	REQUIRE(buffers_get());
	pcpu_inspect_chunks(&info, 1);
	snprintf(text, sizeof(text), "map %lu", info.id);
	EXPECT_EQ(run(text), 0);
	EXPECT(is_one_line(output));
	for (const char *p = strchr(output, ' '); p; p = strchr(p, ' ')) {
		long value = 0, sign = p[1] == '-' ? -1 : 1;

		EXPECT(p[1] == '-' || p[1] == '+');
		for (p += 2; *p >= '0' && *p <= '9'; p++)
			value = value * 10 + (*p - '0');
		if (sign > 0)
			free_bytes += value;
		else
			used_bytes += value;
	}
	EXPECT_EQ(free_bytes, info.free_size);
	EXPECT_EQ(free_bytes + used_bytes, info.span);
	buffers_put();
}

static unsigned int count_lines(const char *text)
{
	unsigned int lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

TEST(monitor_lists_what_there_is, TEST_QUICK)
{
	REQUIRE(buffers_get());
	EXPECT_EQ(run("cpus"), 0);
	EXPECT_EQ(count_lines(output), cpumask_weight(&cpu_possible_mask));
	EXPECT(starts_with(output, "cpu="));
	EXPECT_EQ(run("mem"), 0);
	EXPECT(is_one_line(output));
	EXPECT_EQ(field("pages_total="), page_total());
	EXPECT(field(" pages_free=") < page_total());
	EXPECT_EQ(run("vm"), 0);
	EXPECT(strstr(output, " name=test_output\n"));
	EXPECT_EQ(run("chunks"), 0);
	EXPECT_EQ(count_lines(output), pcpu_inspect_chunks(NULL, 0));
	EXPECT_EQ(run("help"), 0);
	EXPECT(count_lines(output) >= 18);
	EXPECT_EQ(run("help alloc"), 0);
	EXPECT(strstr(output, "\nexample: alloc 100 64\n"));
	EXPECT_EQ(run("stats"), 0);
	EXPECT(strstr(output, "\nentries_touched="));
	EXPECT_EQ(run("sync"), 0);
	EXPECT(starts_with(output, "reclaimed="));
	buffers_put();
}

/* The number of arguments in a line that begins with the command's name; ~0 if it does not. */
static unsigned int arguments_of(const char *line, const char *name)
{
	unsigned int count = 0;
	size_t n = strlen(name);

	if (strncmp(line, name, n) != 0 || (line[n] != ' ' && line[n] != '\0'))
		return ~0u;
	for (line += n; *line != '\0'; line++)
		count += line[0] == ' ' && line[1] != ' ' && line[1] != '\0';
	return count;
}

TEST(monitor_every_command_has_help_and_an_example_that_fits_its_usage, TEST_QUICK)
{
	const struct monitor_command *command;
	char text[32];

	REQUIRE(buffers_get());
	for (size_t i = 0; (command = monitor_command_at(i)); i++) {
		unsigned int count = arguments_of(command->example, command->name);

		if (count < usage_min(command->args) || count > usage_max(command->args))
			test_fail(t, __FILE__, __LINE__, "%s %s: the example is %s", command->name,
				  command->args, command->example);
		snprintf(text, sizeof(text), "help %s", command->name);
		EXPECT_EQ(run(text), 0);
		EXPECT(starts_with(output, command->name) && strstr(output, command->help));
		if (strchr(output, '\n') - output >= 80)
			test_fail(t, __FILE__, __LINE__, "wider than a screen: %s", output);
	}
	buffers_put();
}

TEST(monitor_names_what_may_have_been_meant, TEST_QUICK)
{
	REQUIRE(buffers_get());
	EXPECT_EQ(run("allco 8"), 1);
	EXPECT(strstr(output, "error: unknown command 'allco' (did you mean alloc?): "));
	EXPECT_EQ(run("help Chunks"), 1);
	EXPECT(strstr(output, "(did you mean chunks?)"));
	EXPECT_EQ(run("test qick"), 1);
	EXPECT(strstr(output, "(did you mean quick?)"));
	EXPECT_EQ(run("frobnicate"), 1);
	EXPECT(strstr(output, "error: unknown command 'frobnicate': help lists"));
	buffers_put();
}

TEST(monitor_repeats_a_command_until_it_fails, TEST_QUICK)
{
	REQUIRE(buffers_get());
	EXPECT_EQ(run("repeat 3 sync; check"), 0);
	EXPECT_EQ(count_lines(output), 4);
	EXPECT(strstr(output, "\nok chunks="));
	EXPECT_EQ(run("repeat 2 repeat 3 sync"), 0);
	EXPECT_EQ(count_lines(output), 6);
	EXPECT_EQ(run("repeat 0 sync"), 0);
	EXPECT_EQ(count_lines(output), 0);
	EXPECT_EQ(run("repeat 1000 alloc 0"), 1);
	EXPECT(starts_with(output, "error: alloc: ") && is_one_line(output));
	EXPECT_EQ(run("repeat 1000 alloc"), 1);
	EXPECT(starts_with(output, "error: alloc: too few") && is_one_line(output));
	buffers_put();
}

TEST(monitor_times_a_command, TEST_QUICK)
{
	REQUIRE(buffers_get());
	EXPECT_EQ(run("time repeat 2 sync"), 0);
	EXPECT_EQ(count_lines(output), 3);
	EXPECT(strstr(output, "\ntime=repeat us="));
	EXPECT(field("us=") < 60000000);
	EXPECT_EQ(run("time alloc 0"), 1);
	EXPECT(is_one_line(output));
	buffers_put();
}
