/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The minimal port. All memory, heap and books included, comes from one array of pages.
 *
 * Without an MMU an address is its memory: a chunk has all its memory as soon as it has addresses.
 * So port_range_alloc takes the pages out of the pool, port_pages_alloc only hands out promises, and
 * port_map redeems them: from then on the promise stands for the page at that address.
 */
#include "tests/port_minimal/port_minimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- The pool ---- */

#define POOL_PAGES 256
#define UNIT_PAGES (PCPU_MIN_UNIT_SIZE / PAGE_SIZE)

static char pool[POOL_PAGES][PAGE_SIZE] __aligned(PAGE_SIZE);
static bool taken[POOL_PAGES];

/* n pages in a row; NULL if there are none. */
static void *pool_take(size_t n)
{
	size_t run = 0;

	for (size_t i = 0; i < POOL_PAGES; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run < n)
			continue;
		memset(&taken[i + 1 - n], true, n);
		return pool[i + 1 - n];
	}
	return NULL;
}

static void pool_give(void *start, size_t n)
{
	memset(&taken[((char *)start - pool[0]) / (ssize_t)PAGE_SIZE], false, n);
}

size_t machine_pages_free(void)
{
	size_t nr_free = 0;

	for (size_t i = 0; i < POOL_PAGES; i++)
		nr_free += !taken[i];
	return nr_free;
}

/* ---- Pages and mapping ---- */

struct page {
	uintptr_t address; /* of the page it stands for; 0: none now */
	bool given;	   /* out with percpu/ */
};

static struct page pages[POOL_PAGES];
static size_t pages_owned;

size_t port_pages_alloc(unsigned int cpu __unused, struct page **promises, size_t n)
{
	struct page *page = pages; /* there is one for each page of the pool */

	for (size_t i = 0; i < n; i++) {
		while (page->given)
			page++;
		page->given = true;
		promises[i] = page;
	}
	pages_owned += n;
	return n;
}

void port_page_free(struct page *page)
{
	page->given = false;
	pages_owned--;
}

size_t port_pages_owned(void)
{
	return pages_owned;
}

phys_addr_t port_page_to_phys(const struct page *page)
{
	return page->address;
}

uintptr_t port_range_alloc(size_t size)
{
	return (uintptr_t)pool_take(size / PAGE_SIZE);
}

void port_range_free(uintptr_t start, size_t size)
{
	pool_give((void *)start, size / PAGE_SIZE);
}

uintptr_t port_range_register_early(size_t size)
{
	uintptr_t start = port_range_alloc(size);

	if (start == 0)
		port_panic("the pool has no %zu bytes for the first chunk", size);
	return start;
}

static struct page *page_at(uintptr_t addr)
{
	for (size_t i = 0; i < POOL_PAGES; i++) {
		if (pages[i].address != 0 && pages[i].address == ALIGN_DOWN(addr, PAGE_SIZE))
			return &pages[i];
	}
	return NULL;
}

int port_map(uintptr_t addr, struct page *const *promises, size_t n)
{
	for (size_t i = 0; i < n; i++)
		promises[i]->address = addr + i * PAGE_SIZE;
	return 0;
}

void port_unmap(uintptr_t addr, size_t n)
{
	for (size_t i = 0; i < n; i++)
		page_at(addr + i * PAGE_SIZE)->address = 0;
}

void port_flush_map(uintptr_t start __unused, uintptr_t end __unused)
{
	/* No MMU, no TLB: what port_map did holds at once. */
}

void port_flush_unmap(uintptr_t start __unused, uintptr_t end __unused)
{
	/* Nothing is cached here either. */
}

phys_addr_t port_lookup(uintptr_t addr)
{
	return page_at(addr) ? addr : ~(phys_addr_t)0;
}

/* ---- Heap: whole pages, plain and wasteful ---- */

void *port_zalloc(size_t size)
{
	void *ptr = pool_take(PFN_UP(size));

	return ptr ? memset(ptr, 0, size) : NULL;
}

void port_free(void *ptr, size_t size)
{
	pool_give(ptr, PFN_UP(size));
}

void *port_early_alloc(size_t size)
{
	void *ptr = port_zalloc(size);

	if (!ptr)
		port_panic("the pool has no %zu bytes for the allocator's books", size);
	return ptr;
}

/* ---- Locks: with one CPU and no threads nobody else can hold them ---- */

bool machine_irqs_on = true;
static bool mutex_held, lock_held;

void port_mutex_lock(void)
{
	mutex_held = true;
}

void port_mutex_unlock(void)
{
	mutex_held = false;
}

bool port_mutex_held(void)
{
	return mutex_held;
}

irqflags_t port_lock(void)
{
	irqflags_t flags = irq_save();

	lock_held = true;
	return flags;
}

void port_unlock(irqflags_t flags)
{
	lock_held = false;
	irq_restore(flags);
}

bool port_lock_held(void)
{
	return lock_held;
}

bool port_may_sleep(void)
{
	return machine_irqs_on;
}

/* ---- Deferred work: the idle loop does it ---- */

static bool reclaim_pending;

void port_reclaim_schedule(void)
{
	reclaim_pending = true;
}

void machine_idle(void)
{
	while (reclaim_pending) {
		reclaim_pending = false;
		pcpu_reclaim();
	}
}

void port_reclaim_wait(void)
{
	machine_idle();
}

/* ---- Report ---- */

unsigned int machine_warnings;

static void print_line(const char *prefix, const char *fmt, va_list args)
{
	printf("# %s", prefix);
	vprintf(fmt, args);
	printf("\n");
}

void port_warn(uintptr_t caller, const char *fmt, ...)
{
	char prefix[64];
	va_list args;

	port_format(prefix, sizeof(prefix), "warning, called by 0x%lx: ", caller);
	machine_warnings++;
	va_start(args, fmt);
	print_line(prefix, fmt, args);
	va_end(args);
}

void port_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line("", fmt, args);
	va_end(args);
}

void port_panic(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print_line("panic: ", fmt, args);
	va_end(args);
	exit(1);
}

int port_format(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int length;

	va_start(args, fmt);
	length = vsnprintf(buf, size, fmt, args);
	va_end(args);
	return length;
}

void port_symbol(uintptr_t addr, char *buf, size_t size)
{
	port_format(buf, size, "0x%lx", addr);
}

uint64_t port_time_ms(void)
{
	return (uint64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

bool port_is_kernel_address(uintptr_t addr)
{
	return addr - (uintptr_t)pool < sizeof(pool);
}

/* ---- CPUs and the first chunk ---- */

struct cpumask cpu_possible_mask = {{1}};
unsigned int nr_cpu_ids = 1;
uintptr_t __per_cpu_offset[1];

unsigned int port_cpu_unit(unsigned int cpu __unused)
{
	return 0;
}

void port_set_offset(unsigned int cpu, uintptr_t offset)
{
	__per_cpu_offset[cpu] = offset;
}

void port_on_each_cpu(void (*fn)(void *arg), void *arg)
{
	irqflags_t flags = irq_save();

	fn(arg);
	irq_restore(flags);
}

/* Promises 0 … UNIT_PAGES - 1 are the first chunk's for good. */
static struct page *first_page(unsigned int cpu __unused, size_t n)
{
	return n < UNIT_PAGES ? &pages[n] : NULL;
}

void machine_boot(void)
{
	size_t static_size = (size_t)(__per_cpu_end - __per_cpu_start);
	char *unit = pool_take(UNIT_PAGES);

	for (size_t n = 0; n < UNIT_PAGES; n++)
		pages[n] = (struct page){(uintptr_t)unit + n * PAGE_SIZE, true};
	memcpy(unit, __per_cpu_start, static_size);
	pcpu_setup_first_chunk(first_page, static_size, 0, PCPU_MIN_UNIT_SIZE, -1, unit, NULL);
}
