// SPDX-License-Identifier: GPL-2.0-only
/* Shared parts of the per-CPU tests; contracts in the header. */
#include "tests/kernel/percpu_util.h"

#include "arch/x86_64/smp.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "percpu/front.h"
#include "percpu/port_kernel.h"

#define MAX_HELD   2048
#define MAX_CHUNKS 128

/* ---- Threads ---- */

void test_on_cpu(struct test_run *t, unsigned int cpu, void (*fn)(void *arg), void *arg)
{
	struct thread *thread = thread_create("percpu test", fn, arg, cpu);

	REQUIRE(thread);
	thread_join(thread);
}

void test_on_each_cpu(struct test_run *t, void (*fn)(void *arg), void *arg)
{
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		if (test_takes(cpu))
			test_on_cpu(t, cpu, fn, arg);
	}
}

unsigned int test_other_cpu(void)
{
	unsigned int cpu, self = smp_processor_id();

	for_each_online_cpu (cpu) {
		if (cpu != self)
			return cpu;
	}
	return self;
}

unsigned int test_nr_online(void)
{
	return cpumask_weight(&cpu_online_mask);
}

/* ---- Contents ---- */

unsigned char *test_copy(void __percpu *ptr, unsigned int cpu)
{
	return per_cpu_ptr((unsigned char __percpu *)ptr, cpu);
}

/* Words at any address. */
struct word {
	uint64_t value;
} __packed;

/* The n-th word of a CPU's pattern. */
static uint64_t pattern(unsigned int cpu, unsigned int seed, size_t n)
{
	return (seed * 37 + cpu * 11 + 1 + n * 257) * 0x9e3779b97f4a7c15;
}

void test_fill(void __percpu *ptr, size_t size, unsigned int seed)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		struct word *word = (struct word *)test_copy(ptr, cpu);
		size_t n = 0;
		uint64_t rest;

		for (; n < size / 8; n++)
			word[n].value = pattern(cpu, seed, n);
		rest = pattern(cpu, seed, n);
		memcpy(&word[n], &rest, size % 8);
	}
}

/* How many of the bytes of two words, from the first on, differ. */
static size_t differing(uint64_t a, uint64_t b, size_t nr_bytes)
{
	uint64_t differ = a ^ b;
	size_t count = 0;

	for (size_t i = 0; i < nr_bytes && differ != 0; i++, differ >>= 8)
		count += (differ & 0xff) != 0;
	return count;
}

size_t test_wrong_bytes(void __percpu *ptr, size_t size, unsigned int seed)
{
	unsigned int cpu;
	size_t wrong = 0;

	for_each_possible_cpu (cpu) {
		const struct word *word = (const struct word *)test_copy(ptr, cpu);
		size_t n = 0;
		uint64_t rest = 0;

		for (; n < size / 8; n++)
			wrong += differing(word[n].value, pattern(cpu, seed, n), 8);
		memcpy(&rest, &word[n], size % 8);
		wrong += differing(rest, pattern(cpu, seed, n), size % 8);
	}
	return wrong;
}

size_t test_nonzero_bytes(void __percpu *ptr, size_t size)
{
	unsigned int cpu;
	size_t wrong = 0;

	for_each_possible_cpu (cpu) {
		const struct word *word = (const struct word *)test_copy(ptr, cpu);
		size_t n = 0;
		uint64_t rest = 0;

		for (; n < size / 8; n++)
			wrong += differing(word[n].value, 0, 8);
		memcpy(&rest, &word[n], size % 8);
		wrong += differing(rest, 0, size % 8);
	}
	return wrong;
}

/* ---- The allocator's books ---- */

/* FNV-1a, by words. */
static void digest_add(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * 0x100000001b3;
}

static void digest_run(const struct pcpu_area *area, void *arg)
{
	digest_add(arg, area->offset);
	digest_add(arg, area->length * 2 + area->used);
}

static void digest_chunk(struct pcpu_chunk *chunk, void *arg)
{
	digest_add(arg, chunk->id);
	digest_add(arg, (uint64_t)chunk->slot);
	digest_add(arg, (uintptr_t)chunk->base);
	digest_add(arg, chunk->nr_areas);
	digest_add(arg, chunk->space.hint);
	digest_add(arg, chunk->space.free_size);
	for (size_t i = 0; i < BITS_TO_LONGS(pcpu_unit_pages); i++)
		digest_add(arg, chunk->memory->populated[i]);
	pcpu_engine->walk(&chunk->space, digest_run, arg);
}

static void digest_used_chunk(struct pcpu_chunk *chunk, void *arg)
{
	if (chunk->first || chunk->nr_areas > 0)
		digest_chunk(chunk, arg);
}

static uint64_t digest_with(void (*add)(struct pcpu_chunk *chunk, void *arg))
{
	uint64_t digest = 0xcbf29ce484222325;
	irqflags_t flags = port_lock();

	pcpu_for_each_chunk(add, &digest);
	port_unlock(flags);
	return digest;
}

uint64_t test_books_digest(void)
{
	return digest_with(digest_chunk);
}

uint64_t test_used_books_digest(void)
{
	return digest_with(digest_used_chunk);
}

unsigned long test_chunk_of(const void __percpu *ptr)
{
	struct pcpu_where where;

	pcpu_where(ptr, &where);
	if (where.what == PCPU_INSIDE && pcpu_guard_on)
		return where.chunk; /* the allocator's area begins with a zone */
	return where.what == PCPU_AREA ? where.chunk : ~0ul;
}

size_t test_offset_of(const void __percpu *ptr)
{
	struct pcpu_where where;

	pcpu_where(ptr, &where);
	return where.offset;
}

bool test_chunk_info(unsigned long id, struct pcpu_chunk_info *out)
{
	static struct pcpu_chunk_info infos[MAX_CHUNKS];
	size_t n = min(pcpu_inspect_chunks(infos, MAX_CHUNKS), (size_t)MAX_CHUNKS);

	for (size_t i = 0; i < n; i++) {
		if (infos[i].id == id) {
			*out = infos[i];
			return true;
		}
	}
	return false;
}

void test_expect_sound(struct test_run *t, const char *when)
{
	struct pcpu_check_result result;

	if (!pcpu_check(&result))
		test_fail(t, __FILE__, __LINE__, "%s: %s", when, result.error);
}

/* ---- Chunks ---- */

static void __percpu *held[MAX_HELD];
static size_t nr_held;

void test_chunks_exhaust(struct test_run *t)
{
	pcpu_sync();
	port_fail_nth(PORT_RANGE, PORT_FAIL_ALWAYS);
	for (size_t size = PCPU_MIN_UNIT_SIZE; size >= 4; size /= 2) {
		while (nr_held < MAX_HELD) {
			void __percpu *ptr = __alloc_percpu(size, 1);

			if (!ptr)
				break;
			held[nr_held++] = ptr;
		}
	}
	port_fail_nth(PORT_RANGE, 0);
	EXPECT(nr_held < MAX_HELD);
}

bool test_lacks_area_map(struct test_run *t)
{
	if (strcmp(pcpu_engine_name(), "areamap") == 0 && !pcpu_front_on)
		return false;
	test_skip(t, "needs percpu_engine=areamap percpu_front=off: it counts a map's entries");
	return true;
}

void test_free_now(void __percpu *ptr)
{
	free_percpu(ptr);
	pcpu_quarantine_empty(CALLER());
}

void test_free_all(void __percpu **areas, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free_percpu(areas[i]);
}

void test_chunks_release(void)
{
	test_free_all(held, nr_held);
	nr_held = 0;
	pcpu_sync();
}

size_t test_fill_chunk(void __percpu **areas, size_t max_areas, size_t size)
{
	unsigned long first = ~0ul;
	size_t n = 0;

	while (n < max_areas) {
		areas[n] = __alloc_percpu(size, 1);
		if (!areas[n])
			return n;
		n++;
		if (n == 1)
			first = test_chunk_of(areas[0]);
		else if (test_chunk_of(areas[n - 1]) != first)
			return n;
	}
	return n;
}

/* ---- Report ---- */

void test_diag(const char *fmt, ...)
{
	char line[200] = "# ";
	va_list args;
	size_t length;

	va_start(args, fmt);
	vsnprintf(line + 2, sizeof(line) - 3, fmt, args);
	va_end(args);
	length = strlen(line);
	line[length++] = '\n';
	console_write(line, length);
	report_write(line, length);
}
