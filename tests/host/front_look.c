/* SPDX-License-Identifier: GPL-2.0-only */
/* Looks at the front. See front_look.h. */
#include "tests/host/front_look.h"

#define MANY 64

void front_run_twice(const char *name, void (*body)(void))
{
	static const char *const engines[] = {"areamap", "bitmap"};

	setenv("HOST_FRONT", "on", 1);
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		char text[120];

		snprintf(text, sizeof(text), "%s with engine %s", name, engines[i]);
		setenv("HOST_ENGINE", engines[i], 1);
		host_run_child(text, body);
	}
}

size_t front_ready(unsigned int cpu, size_t size)
{
	const struct pcpu_front *front = pcpu_front_of(cpu);
	unsigned int class = pcpu_front_class(size, 1);

	return (size_t)(front->top[class] - front->bottom[class]);
}

size_t front_limit(unsigned int cpu, size_t size)
{
	const struct pcpu_front *front = pcpu_front_of(cpu);
	unsigned int class = pcpu_front_class(size, 1);

	return (size_t)(front->limit[class] - front->bottom[class]);
}

uint8_t *front_tag(const void __percpu *ptr)
{
	struct pcpu_frame *frame = pcpu_front_frame((uintptr_t)ptr);

	CHECK(frame != NULL);
	return &frame->tags[((uintptr_t)ptr - frame->base) / FRONT_GRANULE];
}

void __percpu *front_alloc_with_room(size_t size, size_t align)
{
	void __percpu *ptr;

	do
		ptr = must_alloc(size, align);
	while (front_ready(host_cpu(), size) == front_limit(host_cpu(), size));
	return ptr;
}

static void free_it(void *arg)
{
	host_free((void __percpu *)(uintptr_t)arg);
}

void front_free_on(unsigned int cpu, void __percpu *ptr)
{
	host_run_as(cpu, free_it, (void *)(uintptr_t)ptr);
}

void front_free_dead(void __percpu *ptr)
{
	pcpu_front_hold_limits(true);
	front_free_on(1, ptr);
	pcpu_front_hold_limits(false);
}

void front_refused(void __percpu *ptr)
{
	struct pcpu_stats before = look_stats(), after;
	struct pcpu_result result;

	pcpu_try_free(ptr, &result);
	CHECK(result.error != NULL && result.warned);
	after = look_stats();
	CHECK_EQ(after.bad_frees, before.bad_frees + 1);
	CHECK_EQ(after.frees, before.frees);
	CHECK_EQ(after.live_areas, before.live_areas);
	check_invariants("a refused free");
}

void front_deepen(size_t size)
{
	void __percpu *ptrs[MANY];

	for (size_t i = 0; i < MANY; i++)
		ptrs[i] = must_alloc(size, 1);
	for (size_t i = 0; i < MANY; i++)
		host_free(ptrs[i]);
}
