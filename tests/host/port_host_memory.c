/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host port: physical pages, address ranges, page tables with a TLB that remembers.
 *
 * A page-table entry goes NONE → (port_map) MAPPED → (port_flush_map) LIVE → (port_unmap) STALE →
 * (port_flush_unmap) NONE. Memory is readable while LIVE or STALE, so that code which relies on a
 * flush it does not make reads through a dead mapping (or faults), and the port sees who frees
 * early.
 */
#define _GNU_SOURCE /* memfd_create, ftruncate, syscall */
#include "tests/host/port_host_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define AREA_SIZE    (64ul << 30)
#define AREA_PAGES   (AREA_SIZE / PAGE_SIZE)
#define HOLE_SIZE    (1ul << 30) /* more than PERCPU_LINK_BASE */
#define GUARD	     PAGE_SIZE	 /* between two ranges */
#define POISON_FREE  0x5a
#define POISON_FRESH 0xd5
#define NO_PAGE	     (~0u)
#define MAX_RANGES   8192

enum pte_state { PTE_NONE, PTE_MAPPED, PTE_LIVE, PTE_STALE };

struct pte {
	unsigned int page; /* index */
	uint8_t state;
	bool has_table; /* early range: populate_pte was called */
};

struct range {
	uintptr_t start;
	size_t size;
	bool early;
};

char *host_direct_map;
struct page *host_pages;
size_t host_nr_pages;
struct host_ledger host_books;
unsigned long host_flush_maps, host_flush_unmaps;

static int memory_fd;
static char *area;
static struct pte *ptes;
static struct range ranges[MAX_RANGES]; /* by address */
static size_t nr_ranges;
static bool ranges_fall;
static unsigned int free_head = NO_PAGE;
static size_t nr_free_pages;
static pthread_mutex_t memory_mutex = PTHREAD_MUTEX_INITIALIZER;

void host_memory_init(size_t nr_pages, bool fall)
{
	size_t direct = nr_pages * PAGE_SIZE;
	char *base = mmap(NULL, HOLE_SIZE + direct + HOLE_SIZE + AREA_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		host_die("no addresses for the machine");
	memory_fd = memfd_create("percpu-host", 0);
	if (memory_fd < 0 || ftruncate(memory_fd, (off_t)direct) != 0)
		host_die("no memory for %zu pages", nr_pages);
	host_direct_map = mmap(base + HOLE_SIZE, direct, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_FIXED, memory_fd, 0);
	area = base + HOLE_SIZE + direct + HOLE_SIZE;
	ptes = mmap(NULL, AREA_PAGES * sizeof(*ptes), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	host_pages = calloc(nr_pages, sizeof(*host_pages));
	if (host_direct_map == MAP_FAILED || ptes == MAP_FAILED || host_pages == NULL)
		host_die("no memory for the machine");
	host_nr_pages = nr_pages;
	ranges_fall = fall;
	for (size_t i = nr_pages; i-- > 0;) {
		host_pages[i].next_free = free_head;
		free_head = (unsigned int)i;
	}
	nr_free_pages = nr_pages;
}

/* ---- Pages ---- */

static unsigned int page_index(const struct page *page)
{
	if (page < host_pages || page >= host_pages + host_nr_pages)
		host_die("%p is not a page", (const void *)page);
	return (unsigned int)(page - host_pages);
}

void *host_page_address(const struct page *page)
{
	return host_direct_map + page_index(page) * PAGE_SIZE;
}

static struct page *page_take(bool counted)
{
	struct page *page = NULL;

	pthread_mutex_lock(&memory_mutex);
	if (free_head != NO_PAGE) {
		page = &host_pages[free_head];
		free_head = page->next_free;
		nr_free_pages--;
		page->allocated = true;
		page->counted = counted;
		host_books.pages += counted;
	}
	pthread_mutex_unlock(&memory_mutex);
	return page;
}

static struct page *one_page(unsigned int cpu)
{
	struct page *page;

	if (host_hook_fails(HOOK_PAGE) || cpu == host_fail_page_cpu)
		return NULL;
	page = page_take(true);
	if (page != NULL)
		memset(host_page_address(page), POISON_FRESH, PAGE_SIZE);
	return page;
}

size_t port_pages_alloc(unsigned int cpu, struct page **pages, size_t n)
{
	host_assert_mutex("port_pages_alloc");
	if (!cpu_possible(cpu))
		host_die("port_pages_alloc for CPU %u, which is not possible", cpu);
	if (n == 0)
		host_die("port_pages_alloc of no pages");
	for (size_t i = 0; i < n; i++) {
		struct page *page = one_page(cpu);

		if (page == NULL)
			return i;
		if (pages[i] != NULL)
			host_die("port_pages_alloc would overwrite page %u", page_index(pages[i]));
		pages[i] = page;
	}
	return n;
}

/* Used before anything was freed: the free pages are still in order. */
struct page *host_take_pages(size_t n)
{
	struct page *first = NULL;

	for (size_t i = 0; i < n; i++) {
		struct page *page = page_take(false);

		if (page == NULL)
			host_die("%zu pages are too few for the first chunk", host_nr_pages);
		if (first == NULL)
			first = page;
		if (page != first + i)
			host_die("the first chunk's pages are not in a row");
		memset(host_page_address(page), 0, PAGE_SIZE);
	}
	return first;
}

void port_page_free(struct page *page)
{
	unsigned int index = page_index(page);

	host_assert_mutex("port_page_free");
	if (!page->allocated || !page->counted)
		host_die("page %u is freed but not allocated", index);
	if (page->nr_mapped != 0)
		host_die("page %u is freed while it is mapped", index);
	if (page->nr_stale != 0)
		host_die("page %u is freed while a TLB may still use it: no flush", index);
	memset(host_page_address(page), POISON_FREE, PAGE_SIZE);
	pthread_mutex_lock(&memory_mutex);
	page->allocated = false;
	page->next_free = free_head;
	free_head = index;
	nr_free_pages++;
	host_books.pages--;
	pthread_mutex_unlock(&memory_mutex);
}

size_t port_pages_owned(void)
{
	return __atomic_load_n(&host_books.pages, __ATOMIC_RELAXED);
}

size_t host_pages_free(void)
{
	return nr_free_pages;
}

phys_addr_t port_page_to_phys(const struct page *page)
{
	return HOST_PHYS_BASE + page_index(page) * PAGE_SIZE;
}

/* ---- Address ranges ---- */

static void range_insert(size_t at, uintptr_t start, size_t size, bool early)
{
	if (nr_ranges == MAX_RANGES)
		host_die("more than %d address ranges", MAX_RANGES);
	memmove(&ranges[at + 1], &ranges[at], (nr_ranges - at) * sizeof(ranges[0]));
	ranges[at] = (struct range){start, size, early};
	nr_ranges++;
	host_books.ranges++;
}

static bool range_add_lowest(size_t size, bool early, uintptr_t *start)
{
	uintptr_t from = (uintptr_t)area;

	for (size_t i = 0; i <= nr_ranges; i++) {
		uintptr_t end = i < nr_ranges ? ranges[i].start : (uintptr_t)area + AREA_SIZE;

		if (end >= from && end - from >= size + GUARD) {
			range_insert(i, from, size, early);
			*start = from;
			return true;
		}
		if (i < nr_ranges)
			from = ranges[i].start + ranges[i].size + GUARD;
	}
	return false;
}

static bool range_add_highest(size_t size, uintptr_t *start)
{
	uintptr_t end = (uintptr_t)area + AREA_SIZE;

	for (size_t i = nr_ranges;; i--) {
		uintptr_t from = (uintptr_t)area;

		if (i > 0)
			from = ranges[i - 1].start + ranges[i - 1].size + GUARD;
		if (end >= from && end - from >= size + GUARD) {
			*start = end - size - GUARD;
			range_insert(i, *start, size, false);
			return true;
		}
		if (i == 0)
			return false;
		end = ranges[i - 1].start;
	}
}

uintptr_t port_range_alloc(size_t size)
{
	uintptr_t start = 0;
	bool found;

	host_assert_mutex("port_range_alloc");
	if (size == 0 || size % PAGE_SIZE != 0)
		host_die("port_range_alloc of %zu bytes", size);
	if (!host_heap_is_up || host_hook_fails(HOOK_RANGE))
		return 0;
	pthread_mutex_lock(&memory_mutex);
	found = ranges_fall ? range_add_highest(size, &start)
			    : range_add_lowest(size, false, &start);
	pthread_mutex_unlock(&memory_mutex);
	return found ? start : 0;
}

uintptr_t port_range_register_early(size_t size)
{
	uintptr_t start = 0;

	if (host_is_set_up)
		host_die("port_range_register_early after set-up");
	if (!range_add_lowest(ALIGN_UP(size, PAGE_SIZE), true, &start))
		port_panic("no early address range of %zu bytes", size);
	return start;
}

static struct pte *pte_of(uintptr_t addr)
{
	return &ptes[(addr - (uintptr_t)area) / PAGE_SIZE];
}

void port_range_free(uintptr_t start, size_t size)
{
	host_assert_mutex("port_range_free");
	pthread_mutex_lock(&memory_mutex);
	for (size_t i = 0; i < nr_ranges; i++) {
		if (ranges[i].start != start)
			continue;
		if (ranges[i].size != size || ranges[i].early)
			host_die("range %#lx of %zu bytes is freed as %zu bytes", start,
				 ranges[i].size, size);
		for (size_t at = 0; at < size; at += PAGE_SIZE)
			if (pte_of(start + at)->state != PTE_NONE)
				host_die("range %#lx is freed with %s page at %#lx", start,
					 pte_of(start + at)->state == PTE_STALE ? "an unflushed"
										: "a mapped",
					 start + at);
		memmove(&ranges[i], &ranges[i + 1], (nr_ranges - i - 1) * sizeof(ranges[0]));
		nr_ranges--;
		host_books.ranges--;
		pthread_mutex_unlock(&memory_mutex);
		return;
	}
	host_die("range %#lx is freed but not allocated", start);
}

/* The range that holds all of [start, end). */
static const struct range *range_find(const char *hook, uintptr_t start, uintptr_t end)
{
	if (start % PAGE_SIZE != 0 || end % PAGE_SIZE != 0 || start >= end)
		host_die("%s of [%#lx, %#lx)", hook, start, end);
	for (size_t i = 0; i < nr_ranges; i++)
		if (start >= ranges[i].start && end <= ranges[i].start + ranges[i].size)
			return &ranges[i];
	host_die("%s of [%#lx, %#lx), which is in no range", hook, start, end);
}

/* ---- Mapping ---- */

void host_early_pte(uintptr_t addr)
{
	const struct range *range = range_find("populate_pte", addr, addr + PAGE_SIZE);

	if (!range->early)
		host_die("populate_pte of %#lx, which is in no early range", addr);
	pte_of(addr)->has_table = true;
}

int port_map(uintptr_t addr, struct page *const *pages, size_t n)
{
	const struct range *range;

	host_assert_mutex("port_map");
	pthread_mutex_lock(&memory_mutex);
	range = range_find("port_map", addr, addr + n * PAGE_SIZE);
	for (size_t i = 0; i < n; i++) {
		struct pte *pte = pte_of(addr + i * PAGE_SIZE);

		if (pte->state != PTE_NONE)
			host_die("port_map of %#lx, where %s page is", addr + i * PAGE_SIZE,
				 pte->state == PTE_STALE ? "an unflushed" : "a mapped");
		if (range->early && !pte->has_table && !host_is_set_up)
			host_die("port_map of %#lx without its page table", addr + i * PAGE_SIZE);
		if (!pages[i]->allocated || pages[i]->nr_mapped || pages[i]->nr_stale)
			host_die("port_map of page %u, which is free or mapped elsewhere",
				 page_index(pages[i]));
	}
	if ((host_is_set_up || host_faults[HOOK_MAP].fail_at) && host_hook_fails(HOOK_MAP)) {
		pthread_mutex_unlock(&memory_mutex);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		struct pte *pte = pte_of(addr + i * PAGE_SIZE);

		pte->page = page_index(pages[i]);
		__atomic_store_n(&pte->state, PTE_MAPPED, __ATOMIC_RELEASE);
		pages[i]->nr_mapped++;
		host_books.mapped++;
	}
	pthread_mutex_unlock(&memory_mutex);
	return 0;
}

/* From now on the page is seen at addr. */
static void page_show(uintptr_t addr, unsigned int page)
{
	if (mmap((void *)addr, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory_fd,
		 (off_t)(page * PAGE_SIZE)) == MAP_FAILED)
		host_die("page %u cannot be mapped at %#lx", page, addr);
}

void port_flush_map(uintptr_t start, uintptr_t end)
{
	host_assert_mutex("port_flush_map");
	pthread_mutex_lock(&memory_mutex);
	range_find("port_flush_map", start, end);
	host_flush_maps++;
	for (uintptr_t addr = start; addr < end; addr += PAGE_SIZE) {
		struct pte *pte = pte_of(addr);

		if (pte->state != PTE_MAPPED)
			continue;
		page_show(addr, pte->page);
		__atomic_store_n(&pte->state, PTE_LIVE, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&memory_mutex);
}

void port_unmap(uintptr_t addr, size_t n)
{
	host_assert_mutex("port_unmap");
	pthread_mutex_lock(&memory_mutex);
	range_find("port_unmap", addr, addr + n * PAGE_SIZE);
	for (size_t i = 0; i < n; i++) {
		struct pte *pte = pte_of(addr + i * PAGE_SIZE);

		if (pte->state != PTE_MAPPED && pte->state != PTE_LIVE)
			host_die("port_unmap of %#lx, where nothing is mapped",
				 addr + i * PAGE_SIZE);
		__atomic_store_n(&pte->state, PTE_STALE, __ATOMIC_RELEASE);
		host_pages[pte->page].nr_mapped--;
		host_pages[pte->page].nr_stale++;
		host_books.mapped--;
		host_books.stale++;
	}
	pthread_mutex_unlock(&memory_mutex);
}

void port_flush_unmap(uintptr_t start, uintptr_t end)
{
	uintptr_t run = 0; /* start of the stale run that ends at addr; 0: none */

	host_assert_mutex("port_flush_unmap");
	pthread_mutex_lock(&memory_mutex);
	range_find("port_flush_unmap", start, end);
	host_flush_unmaps++;
	for (uintptr_t addr = start; addr <= end; addr += PAGE_SIZE) {
		bool stale = addr < end && pte_of(addr)->state == PTE_STALE;

		if (!stale && run != 0) {
			mmap((void *)run, addr - run, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
			run = 0;
		}
		if (!stale)
			continue;
		run = run ? run : addr;
		host_pages[pte_of(addr)->page].nr_stale--;
		host_books.stale--;
		__atomic_store_n(&pte_of(addr)->state, PTE_NONE, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&memory_mutex);
}

phys_addr_t port_lookup(uintptr_t addr)
{
	uintptr_t direct = (uintptr_t)host_direct_map;
	struct pte *pte;
	uint8_t state;

	if (addr >= direct && addr < direct + host_nr_pages * PAGE_SIZE)
		return HOST_PHYS_BASE + (addr - direct);
	if (addr < (uintptr_t)area || addr >= (uintptr_t)area + AREA_SIZE)
		return ~(phys_addr_t)0;
	pte = pte_of(addr);
	state = __atomic_load_n(&pte->state, __ATOMIC_ACQUIRE);
	if (state != PTE_MAPPED && state != PTE_LIVE)
		return ~(phys_addr_t)0;
	return HOST_PHYS_BASE + pte->page * PAGE_SIZE + addr % PAGE_SIZE;
}

/* Calls fn for each page-table entry of the ranges that is not empty, by address. */
static void each_pte(void (*fn)(uintptr_t addr, const struct pte *pte, void *arg), void *arg)
{
	for (size_t i = 0; i < nr_ranges; i++)
		for (size_t at = 0; at < ranges[i].size; at += PAGE_SIZE)
			if (pte_of(ranges[i].start + at)->state != PTE_NONE)
				fn(ranges[i].start + at, pte_of(ranges[i].start + at), arg);
}

static void show_again(uintptr_t addr, const struct pte *pte, void *arg __unused)
{
	if (pte->state != PTE_MAPPED) /* else no flush has covered it yet */
		page_show(addr, pte->page);
}

void host_memory_own(void)
{
	size_t size = host_nr_pages * PAGE_SIZE;
	int fd = memfd_create("percpu-host", 0);

	if (fd < 0 || write(fd, host_direct_map, size) != (ssize_t)size ||
	    mmap(host_direct_map, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
		    MAP_FAILED)
		host_die("no memory for a copy of %zu pages", host_nr_pages);
	close(memory_fd);
	memory_fd = fd;
	each_pte(show_again, NULL);
}

static void add_to_sum(uintptr_t addr, const struct pte *pte, void *arg)
{
	uint64_t *sum = arg;

	*sum = (*sum ^ (addr / PAGE_SIZE << 32 | pte->page)) * 0x9e3779b97f4a7c15u;
	*sum ^= *sum >> 32;
}

uint64_t host_mapping_sum(void)
{
	uint64_t sum = 0;

	each_pte(add_to_sum, &sum);
	return sum;
}

struct host_ledger host_ledger(void)
{
	return host_books;
}

bool host_ledger_equal(const struct host_ledger *a, const struct host_ledger *b)
{
	return a->pages == b->pages && a->mapped == b->mapped && a->stale == b->stale &&
	       a->ranges == b->ranges && a->heap_blocks == b->heap_blocks &&
	       a->heap_bytes == b->heap_bytes;
}
