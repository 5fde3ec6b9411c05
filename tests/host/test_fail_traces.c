/* SPDX-License-Identifier: GPL-2.0-only */
/* links: @port_host @percpu kernel/trace.c */
/* flags: -no-pie -pthread -Wl,-T,tests/host/percpu.ld */
/*
 * Fail every step of the recorded traces: each call that a replay makes to a hook of the port that
 * can fail is made to fail. At the call the machine is copied, by a fork, and the copy goes the
 * other way:
 *
 *	replay   alloc ... page  page  map   heap ... free ... alloc ... page ...    nothing fails
 *	                    \     \     \     \                           \
 *	                   fails fails fails fails                       fails
 *
 * In the copy the request ends in nothing and everything is as before it, to the page and byte; or
 * it is served in another way. Then the request is made once more and has to be served, the next
 * HOST_REST events of the trace follow, all areas are freed and all chunks go.
 *
 * HOST_STRIDE=n: only each n-th call fails.
 */
#include "kernel/trace.h"
#include "tests/host/host_test.h"

#include <sys/wait.h>
#include <unistd.h>

#define SERVED 10 /* exit status of a copy whose request was served */

struct live {
	void __percpu *ptr; /* NULL: not live */
	size_t size;
	uint64_t seed;
};

static struct trace_event *events;
static size_t nr_events, nr_areas;
static struct live *areas;

static unsigned long stride, nr_calls, nr_failed, nr_served;
static struct host_snapshot *before; /* of the event that is replayed now */
static bool in_copy;		     /* this process is a copy, whose request meets a failure */

/* ---- Reading a trace ---- */

static char *read_all(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text;

	if (file == NULL)
		host_check_failed(__FILE__, __LINE__, "%s cannot be read", path);
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	text = malloc(*size + 1);
	CHECK(text != NULL && fread(text, 1, *size, file) == *size);
	fclose(file);
	return text;
}

static void load(const char *path)
{
	struct trace_error error = {0};
	struct trace_id *ids;
	size_t size;
	char *text = read_all(path, &size);

	if (trace_scan(text, size, &nr_events, &error) != 0)
		host_check_failed(__FILE__, __LINE__, "%s:%u: %s", path, error.line, error.what);
	events = calloc(nr_events, sizeof(*events));
	ids = calloc(nr_events * TRACE_IDS_PER_EVENT, sizeof(*ids));
	CHECK(events != NULL && ids != NULL);
	if (trace_parse(text, size, events, nr_events, ids, &nr_areas, &error) != 0)
		host_check_failed(__FILE__, __LINE__, "%s:%u: %s", path, error.line, error.what);
	areas = calloc(nr_areas, sizeof(*areas));
	CHECK(areas != NULL);
	free(ids);
	free(text);
}

/* ---- Events ---- */

static void become_cpu_of(const struct trace_event *event)
{
	host_become_cpu(cpumask_next(&cpu_possible_mask, event->cpu % nr_cpu_ids));
}

static bool alloc_area(const struct trace_event *event)
{
	struct live *area = &areas[event->area];

	if (event->flags & TRACE_RESERVED)
		area->ptr = host_alloc_reserved(event->size, event->align);
	else
		area->ptr = host_alloc(event->size, event->align);
	CHECK_EQ(host_warnings, 0); /* running out of memory is no reason to warn */
	if (area->ptr == NULL)
		return false;
	area->size = event->size;
	area->seed = event->area * 77ul + event->size;
	check_filled(area->ptr, area->size, 0, "a fresh area");
	pattern_fill(area->ptr, area->size, area->seed);
	return true;
}

static void check_area(const struct live *area)
{
	pattern_check(area->ptr, area->size, area->seed);
}

static void free_area(struct live *area, bool irqs_off)
{
	check_area(area);
	host_irqs(!irqs_off);
	host_free(area->ptr);
	host_irqs(true);
	area->ptr = NULL;
}

static void do_event(const struct trace_event *event)
{
	become_cpu_of(event);
	if (event->size > 0)
		CHECK(alloc_area(event));
	else
		free_area(&areas[event->area], event->flags & TRACE_IRQS_OFF);
	host_run_reclaim();
}

static void free_all(void)
{
	struct pcpu_chunk_info info[8];
	struct pcpu_stats stats;

	for (size_t i = 0; i < nr_areas; i++)
		if (areas[i].ptr != NULL)
			free_area(&areas[i], false);
	host_run_reclaim();
	check_invariants("the end of a trace");
	pcpu_stats_get(&stats);
	CHECK_EQ(stats.live_areas, 0);
	CHECK(pcpu_inspect_chunks(info, ARRAY_SIZE(info)) <= 3); /* the first ones, a spare one */
}

/* ---- The copy ---- */

/* The request has met its failure. The areas that were live before it are untouched. */
static void check_request(const struct trace_event *event, bool served)
{
	host_fail_none();
	check_invariants("a step of a trace failed");
	if (!served) {
		host_run_reclaim();
		host_snapshot_compare(before, host_snapshot(), "a step of a trace failed");
		check_invariants("a step of a trace failed, and reclaim");
	}
	for (size_t i = 0; i < nr_areas; i++)
		if (areas[i].ptr != NULL)
			check_area(&areas[i]);
	if (!served)
		CHECK(alloc_area(event));
}

/* What the copy does once its request is back. */
static void __noreturn finish_copy(size_t at, bool served)
{
	size_t rest = host_env("HOST_REST", 100);

	check_request(&events[at], served);
	for (size_t i = at + 1; i < nr_events && i - at <= rest; i++)
		do_event(&events[i]);
	check_invariants("the rest of a trace");
	free_all();
	host_leave(served ? SERVED : 0);
}

/* A hook that can fail is called: in a copy of the machine this call fails. */
static void copy_and_fail(enum host_hook hook)
{
	int status;
	pid_t pid;

	if (++nr_calls % stride != 0)
		return;
	fflush(NULL);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		alarm(600);
		host_memory_own();
		host_in_hook = NULL;
		host_faults[hook].fail_at = host_faults[hook].calls;
		in_copy = true;
		return;
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != SERVED))
		host_check_failed(__FILE__, __LINE__,
				  "call %lu, of hook %d: the copy ended with wait status %#x",
				  nr_calls, hook, (unsigned int)status);
	nr_failed++;
	nr_served += WEXITSTATUS(status) == SERVED;
}

/* ---- The replay ---- */

static void replay_alloc(size_t at)
{
	bool served;

	before = host_snapshot();
	become_cpu_of(&events[at]);
	host_in_hook = copy_and_fail;
	served = alloc_area(&events[at]);
	host_in_hook = NULL;
	if (in_copy)
		finish_copy(at, served);
	CHECK(served);
	host_run_reclaim();
	host_snapshot_free(before);
}

static void replay(const char *path, const struct host_config *config)
{
	struct host_config machine = *config;

	stride = host_env("HOST_STRIDE", 1);
	load(path);
	machine.nr_pages = 1024; /* few, since all are copied */
	host_boot(&machine);
	for (size_t i = 0; i < nr_events; i++)
		if (events[i].size > 0)
			replay_alloc(i);
		else
			do_event(&events[i]);
	free_all();
	printf("# %s: %lu calls, %lu failed, %lu of these were served all the same\n", path,
	       nr_calls, nr_failed, nr_served);
	CHECK(nr_failed > 0);
	free(areas);
	free(events);
}

HOST_TEST(every_step_of_the_trace_pods)
{
	replay("tests/traces/pods.trace", &(struct host_config){.nr_cpus = 4});
}

HOST_TEST(every_step_of_the_trace_netns)
{
	replay("tests/traces/netns.trace",
	       &(struct host_config){.nr_cpus = 4, .style = HOST_PAGE, .reserved = 9000});
}

HOST_TEST(every_step_of_the_trace_nft)
{
	static const unsigned int holes[] = {0, 2, 5}, units[] = {2, 0, 1};

	replay("tests/traces/nft.trace", &(struct host_config){.cpus = holes,
							       .units = units,
							       .nr_cpus = 3,
							       .unit_size = 65536,
							       .dyn_size = -2});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_of_the_trace_pods),
		cmocka_unit_test(every_step_of_the_trace_netns),
		cmocka_unit_test(every_step_of_the_trace_nft),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
