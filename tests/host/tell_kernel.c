/* SPDX-License-Identifier: GPL-2.0-only */
/* See tell_kernel.h. */
#include "tests/host/tell_kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/x86_64/smp.h"
#include "kernel/mutex.h"
#include "kernel/printk.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/workqueue.h"
#include "mm/early.h"
#include "mm/kmalloc.h"
#include "mm/vmalloc.h"
#include "percpu/percpu.h"

struct tell_kernel kernel;

static struct page descriptors[TELL_PAGES];

/* ---- What the kernel was asked, in order ---- */

static char story[2048];

void tell(const char *fmt, ...)
{
	size_t used = strlen(story);
	va_list args;

	va_start(args, fmt);
	vsnprintf(story + used, sizeof(story) - used, fmt, args);
	va_end(args);
}

void expect_story(const char *fmt, ...)
{
	char want[sizeof(story)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(want, sizeof(want), fmt, args);
	va_end(args);
	assert_string_equal(story, want);
	story[0] = 0;
}

void forget_story(void)
{
	story[0] = 0;
}

void *tell_heap_object(void)
{
	return descriptors;
}

/* ---- What it answers ---- */

unsigned int smp_node_of(unsigned int cpu)
{
	return cpu + 100;
}

size_t page_alloc_many(unsigned int node, enum page_owner owner, void **pages, size_t n)
{
	size_t nr = kernel.out_of_memory ? 0 : n;

	tell("pages %u %s %zu;", node, owner == PAGE_PERCPU ? "percpu" : "?", n);
	for (size_t i = 0; i < nr; i++)
		pages[i] = page_address(&descriptors[3 + i]);
	return nr;
}

void *page_address(const struct page *page)
{
	return phys_to_virt((phys_addr_t)(page - descriptors) * PAGE_SIZE);
}

struct page *phys_to_page(phys_addr_t pa)
{
	return &descriptors[pa / PAGE_SIZE];
}

void page_free(struct page *page)
{
	tell("page_free %zd;", page - descriptors);
}

size_t page_count(enum page_owner owner)
{
	return owner == PAGE_PERCPU ? 77 : 0;
}

uintptr_t vm_range_alloc(size_t size, size_t align, const char *name)
{
	tell("range %zu %zu %s;", size, align, name);
	return kernel.out_of_memory ? 0 : VMALLOC_START + 0x5000;
}

void vm_range_free(uintptr_t start)
{
	tell("range_free %lx;", start);
}

size_t vm_range_charge(void)
{
	return 48;
}

void vm_area_register_early(struct vm_range *range, size_t align)
{
	tell("register %zu %zu %s;", range->size, align, range->name);
	range->start = kernel.early_range_start;
}

size_t paging_map_pages(uintptr_t va, void *const *pages, size_t n, unsigned int prot)
{
	for (size_t i = 0; i < n; i++) {
		tell("map %lx %lx %s;", va + i * PAGE_SIZE, virt_to_phys(pages[i]),
		     prot == PROT_WRITE ? "rw" : "?");
		if (kernel.map_fails_at > 0 && --kernel.map_fails_at == 0)
			return i;
	}
	return n;
}

void vm_unmap_pages(uintptr_t va, size_t n)
{
	tell("unmap %lx %zu;", va, n);
}

void smp_call_all(void (*fn)(void *arg), void *arg)
{
	tell("call_all;");
	fn(arg);
}

void vm_flush(uintptr_t start, uintptr_t end)
{
	tell("flush %lx %lx;", start, end);
}

phys_addr_t paging_lookup(uintptr_t va, unsigned int *prot)
{
	assert_null(prot);
	return va == VMALLOC_START ? 0x3000 : PHYS_NONE;
}

phys_addr_t early_alloc_phys(size_t size, size_t align, phys_addr_t limit)
{
	tell("early %zu %zu %lu;", size, align, limit);
	return kernel.out_of_memory ? PHYS_NONE : 0x4000;
}

void *kzalloc(size_t size)
{
	tell("kzalloc %zu;", size);
	return kernel.out_of_memory ? NULL : tell_heap_object();
}

void kfree(void *ptr)
{
	tell("kfree %s;", ptr == tell_heap_object() ? "it" : "?");
}

size_t kmalloc_charge(size_t size)
{
	return size + 8;
}

void mutex_lock(struct mutex *mutex)
{
	tell("lock %s;", mutex->name);
	kernel.mutex_owned = true;
}

void mutex_unlock(struct mutex *mutex)
{
	tell("unlock %s;", mutex->name);
	kernel.mutex_owned = false;
}

bool mutex_is_held(const struct mutex *mutex)
{
	return kernel.mutex_owned && mutex->name != NULL;
}

bool may_sleep(void)
{
	return kernel.sleep_allowed;
}

void work_queue(struct work *work)
{
	tell("queue;");
	kernel.queued = work;
}

void work_flush(struct work *work)
{
	tell("flush work %s;", work == kernel.queued ? "queued" : "?");
}

void pcpu_reclaim(void)
{
	tell("reclaim;");
}

void warn(const char *area, const char *fmt, ...)
{
	char text[300];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tell("%s: %s;", area, text);
}

void log_vline(enum log_level level, const char *area, const char *fmt, va_list args)
{
	char text[300];

	vsnprintf(text, sizeof(text), fmt, args);
	tell("%d %s: %s;", level, area, text);
}

uint64_t time_us(void)
{
	return kernel.microseconds;
}
