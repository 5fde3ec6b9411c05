/* SPDX-License-Identifier: GPL-2.0-only */
/* The replay on small traces, and that it sees what it is there to see. */
#include "kernel/replay.h"

#include "arch/x86_64/smp.h"
#include "kernel/cpumask.h"
#include "kernel/errno.h"
#include "kernel/string.h"
#include "kernel/test.h"
#include "percpu/inspect.h"

static const char small_text[] = "# a small trace\n"
				 "a 1 8 8 0 - f\n"
				 "a 2 4 4 1 n f\n"
				 "a 3 4096 4096 2 - f\n"
				 "f 2 3 i\n"
				 "a 2 100 1 3 ri f\n"
				 "f 1 0 -\n"
				 "a 4 7 1 70 - f\n"
				 "f 3 1 i\n";

static struct trace_text trace_of(const char *text)
{
	return (struct trace_text){"test", text, strlen(text)};
}

static void expect_clean(struct test_run *t, const struct replay_report *report)
{
	EXPECT(replay_good(report));
	EXPECT_EQ(report->failed, 0);
	EXPECT_EQ(report->corrupt, 0);
	EXPECT_EQ(report->leaked_pages, 0);
}

TEST(replay_counts_what_the_trace_has, TEST_QUICK)
{
	struct trace_text trace = trace_of(small_text);
	struct replay_report report;
	char line[REPLAY_LINE_SIZE];

	EXPECT_EQ(replay_run(&trace, &report, NULL), 0);
	expect_clean(t, &report);
	EXPECT_EQ(report.events, 8);
	EXPECT_EQ(report.allocs, 5);
	EXPECT_EQ(report.frees, 3);
	EXPECT_EQ(report.nosleep, 2);
	EXPECT_EQ(report.peak_live_bytes, 8 + 100 + 4096);
	EXPECT(report.peak_pages >= 1);
	replay_format("test", &report, line, sizeof(line));
	EXPECT(strstr(line, "replay=test events=8 allocs=5 frees=3 failed=0 corrupt=0 "
			    "leaked_pages=0 peak_live_bytes=4204 peak_pages=") == line);
}

TEST(replay_of_nothing_is_clean, TEST_QUICK)
{
	struct trace_text trace = trace_of("# nothing\n");
	struct replay_report report;

	EXPECT_EQ(replay_run(&trace, &report, NULL), 0);
	expect_clean(t, &report);
	EXPECT_EQ(report.events, 0);
}

static unsigned int events_left;

static bool enough(void)
{
	return events_left-- == 0;
}

TEST(replay_stops_when_asked_and_frees_what_lives, TEST_QUICK)
{
	struct trace_text trace = trace_of(small_text);
	unsigned int failures = replay_failures();
	struct replay_report report;

	for (unsigned int n = 0; n < 8; n++) {
		events_left = n;
		EXPECT_EQ(replay_run(&trace, &report, enough), -EINTR);
		EXPECT_EQ(report.events, n);
		EXPECT_EQ(report.allocs + report.frees, n);
		EXPECT_EQ(report.corrupt + report.failed, 0);
		EXPECT_EQ(report.leaked_pages, 0);
		EXPECT(strstr(report.error, "stopped after ") &&
		       strstr(report.error, " of 8 events"));
	}
	events_left = 8;
	EXPECT_EQ(replay_run(&trace, &report, enough), 0);
	EXPECT_EQ(replay_failures(), failures);
}

static unsigned int hook_calls;
static uint64_t cpus_seen; /* bits of event indices that ran on a wrong CPU */

/* The frees of small_text and the CPUs they were recorded on. */
static unsigned int recorded_cpu(size_t index)
{
	return index == 3 ? 3 : index == 5 ? 0 : 1;
}

static unsigned int online_cpu(unsigned int n)
{
	unsigned int cpu, left = n % cpumask_weight(&cpu_online_mask);

	for_each_online_cpu (cpu) {
		if (left-- == 0)
			break;
	}
	return cpu;
}

static void note_cpu(size_t index, void __percpu *ptr __unused)
{
	hook_calls++;
	if (smp_processor_id() != online_cpu(recorded_cpu(index)))
		cpus_seen |= 1ul << index;
}

TEST(replay_runs_events_on_their_cpus, TEST_QUICK)
{
	struct trace_text trace = trace_of(small_text);
	struct replay_report report;

	hook_calls = 0;
	cpus_seen = 0;
	replay_set_hook(note_cpu);
	EXPECT_EQ(replay_run(&trace, &report, NULL), 0);
	replay_set_hook(NULL);
	expect_clean(t, &report);
	EXPECT_EQ(hook_calls, 3);
	EXPECT_EQ(cpus_seen, 0);
}

static unsigned int victim_cpu;

/* Spoils the last byte of one CPU's copy of the area of 4096 bytes. */
static void spoil(size_t index, void __percpu *ptr)
{
	if (index == 7)
		per_cpu_ptr((char __percpu *)ptr, victim_cpu)[4095] ^= 0x10;
}

TEST(replay_sees_one_changed_bit_on_any_cpu, TEST_QUICK)
{
	struct trace_text trace = trace_of(small_text);
	unsigned int failures = replay_failures();
	struct replay_report report;

	replay_set_hook(spoil);
	for_each_possible_cpu (victim_cpu) {
		if (!test_takes(victim_cpu))
			continue;
		EXPECT_EQ(replay_run(&trace, &report, NULL), 0);
		EXPECT_EQ(report.corrupt, 1);
		EXPECT_EQ(report.failed, 0);
		EXPECT(!replay_good(&report));
	}
	replay_set_hook(NULL);
	EXPECT_EQ(replay_failures(), failures);
}

static void __percpu *kept;

static void keep_an_area(size_t index, void __percpu *ptr __unused)
{
	if (index == 5)
		kept = __alloc_percpu(16, 8);
}

TEST(replay_sees_an_area_that_is_not_given_back, TEST_QUICK)
{
	struct trace_text trace = trace_of(small_text);
	struct replay_report report;

	kept = NULL;
	replay_set_hook(keep_an_area);
	EXPECT_EQ(replay_run(&trace, &report, NULL), 0);
	replay_set_hook(NULL);
	EXPECT(report.leaked_pages > 0);
	EXPECT_EQ(report.corrupt, 0);
	free_percpu(kept);
}

TEST(replay_refuses_malformed_traces_with_their_line, TEST_QUICK)
{
	struct trace_text form = trace_of("a 1 8 8 0 - f\na 2 8 8 0\n");
	struct trace_text twice = trace_of("a 1 8 8 0 - f\na 2 8 8 0 - f\n\na 1 8 8 0 - f\n");
	struct pcpu_stats before, after;
	struct replay_report report;

	pcpu_stats_get(&before);
	replay_set_hook(note_cpu); /* so that these do not count as replays gone wrong */
	EXPECT_EQ(replay_run(&form, &report, NULL), -EINVAL);
	EXPECT(strstr(report.error, "line 2:"));
	EXPECT_EQ(replay_run(&twice, &report, NULL), -EINVAL);
	EXPECT(strstr(report.error, "line 4:"));
	replay_set_hook(NULL);
	pcpu_stats_get(&after);
	EXPECT_EQ(after.allocs, before.allocs);
}

TEST(replay_knows_the_bundled_traces, TEST_QUICK)
{
	size_t count;
	const struct trace_text *traces = trace_list(&count);

	REQUIRE(count >= 3);
	for (size_t i = 0; i < count; i++)
		EXPECT(strcmp(trace_find(traces[i].name)->name, traces[i].name) == 0);
	EXPECT(trace_find("") == NULL);
	EXPECT(trace_find("pods.trace") == NULL);
}

TEST(replay_of_every_bundled_trace_is_clean, TEST_SLOW)
{
	static const char *const names[] = {"netns", "nft", "pods"};
	struct replay_report report;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(replay_run(trace_find(names[i]), &report, NULL), 0);
		expect_clean(t, &report);
	}
}
