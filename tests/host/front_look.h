/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the front share: a test for each engine, and looks at a CPU's stacks. */
#pragma once

#include "percpu/front_internal.h"
#include "tests/host/host_look.h"

/* HOST_TEST with the front on, once with each engine. */
#define FRONT_TEST(name)                             \
	static void name##_body(void);               \
	static void name(void **state)               \
	{                                            \
		(void)state;                         \
		front_run_twice(#name, name##_body); \
	}                                            \
	static void name##_body(void)

void front_run_twice(const char *name, void (*body)(void));

/* Areas on the stack of that CPU for requests of that size; how many it may hold. */
size_t front_ready(unsigned int cpu, size_t size);
size_t front_limit(unsigned int cpu, size_t size);
/* The tag of the area that starts at ptr. */
uint8_t *front_tag(const void __percpu *ptr);
/* An area that finds room on the stack of its class when it is freed. */
void __percpu *front_alloc_with_room(size_t size, size_t align);
/* Frees as that CPU. */
void front_free_on(unsigned int cpu, void __percpu *ptr);
/* Frees as CPU 1, whose stack has no room and gets none: the area is dead. */
void front_free_dead(void __percpu *ptr);
/* A free that has to be refused, and is counted. */
void front_refused(void __percpu *ptr);
/* Misses and hits until the CPU may keep no more areas of that size; nothing is held afterwards. */
void front_deepen(size_t size);
