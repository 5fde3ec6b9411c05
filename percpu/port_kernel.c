/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This kernel's side of percpu/port.h.
 *
 * A `struct page *` handed to percpu/ is the page's direct-map address: the first chunk's pages
 * exist before the page allocator has its array, and percpu/ never looks inside.
 */
#define LOG_AREA "percpu"
#include "percpu/port_kernel.h"

#include "arch/x86_64/arch.h"
#include "arch/x86_64/memlayout.h"
#include "arch/x86_64/paging.h"
#include "arch/x86_64/smp.h"
#include "kernel/ksyms.h"
#include "kernel/mutex.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/thread.h"
#include "kernel/time.h"
#include "kernel/workqueue.h"
#include "mm/early.h"
#include "mm/kmalloc.h"
#include "mm/page.h"
#include "mm/vmalloc.h"
#include "percpu/inspect.h"
#include "percpu/percpu.h"

DEFINE_MUTEX(alloc_mutex, "pcpu_alloc_mutex");
static struct spinlock area_lock = SPINLOCK_INIT("pcpu_lock", LOCK_CLASS_PERCPU);
static unsigned long mutex_taken; /* alloc_mutex */
static bool heap_is_up;
static size_t heap_bytes; /* charged to the heap on the allocator's behalf; alloc_mutex */

static struct {
	unsigned long countdown; /* 0: off; n: the n-th call from now fails */
} faults[PORT_NR_HOOKS];

static void (*unlock_hook)(enum port_unlock_kind kind);

void port_fail_nth(enum port_hook hook, unsigned long n)
{
	WRITE_ONCE(faults[hook].countdown, n);
}

bool port_fail_pending(enum port_hook hook)
{
	return READ_ONCE(faults[hook].countdown) != 0;
}

/* Whether this call of the hook is the one that is to fail. Hooks that may fail are called with the
 * mutex held, so nobody else counts meanwhile. */
static bool must_fail(enum port_hook hook)
{
	if (likely(faults[hook].countdown == 0))
		return false;
	if (faults[hook].countdown == PORT_FAIL_ALWAYS)
		return true;
	return --faults[hook].countdown == 0;
}

void port_set_unlock_hook(void (*hook)(enum port_unlock_kind kind))
{
	WRITE_ONCE(unlock_hook, hook);
}

void port_kernel_heap_ready(void)
{
	heap_is_up = true;
}

void port_page_free(struct page *page)
{
	page_free(phys_to_page(virt_to_phys(page)));
}

phys_addr_t port_page_to_phys(const struct page *page)
{
	return virt_to_phys(page);
}

size_t port_pages_owned(void)
{
	return page_count(PAGE_PERCPU);
}

uintptr_t port_range_alloc(size_t size)
{
	uintptr_t start =
		must_fail(PORT_RANGE) ? 0 : vm_range_alloc(size, PAGE_SIZE, "percpu chunk");

	if (start != 0)
		heap_bytes += vm_range_charge();
	return start;
}

void port_range_free(uintptr_t start, size_t size __unused)
{
	vm_range_free(start);
	heap_bytes -= vm_range_charge();
}

uintptr_t port_range_register_early(size_t size)
{
	static struct vm_range range = {.name = "percpu first chunk"};

	range.size = size;
	vm_area_register_early(&range, PAGE_SIZE);
	if (range.start + size - VMALLOC_START > PERCPU_LINK_BASE)
		panic("percpu first chunk: %zu bytes at 0x%lx end more than 0x%x above the vmalloc "
		      "area's "
		      "start, where a NULL per-CPU pointer would reach mapped memory: make units "
		      "smaller",
		      size, range.start, PERCPU_LINK_BASE);
	return range.start;
}

/* How many of n calls of the hook go well before the one that is to fail. */
static size_t may_succeed(enum port_hook hook, size_t n)
{
	size_t i = 0;

	if (likely(faults[hook].countdown == 0))
		return n;
	while (i < n && !must_fail(hook))
		i++;
	return i;
}

size_t port_pages_alloc(unsigned int cpu, struct page **pages, size_t n)
{
	return page_alloc_many(smp_node_of(cpu), PAGE_PERCPU, (void **)pages,
			       may_succeed(PORT_PAGE, n));
}

int port_map(uintptr_t addr, struct page *const *pages, size_t n)
{
	size_t mapped =
		paging_map_pages(addr, (void *const *)pages, may_succeed(PORT_MAP, n), PROT_WRITE);

	if (mapped == n)
		return 0;
	port_unmap(addr, mapped);
	port_flush_unmap(addr, addr + (mapped + 1) * PAGE_SIZE);
	return -ENOMEM;
}

void port_unmap(uintptr_t addr, size_t n)
{
	vm_unmap_pages(addr, n);
}

void port_flush_map(uintptr_t start __unused, uintptr_t end __unused)
{
	/* x86 does not cache absent translations (Intel SDM vol. 3 section 4.10.2.3). */
}

void port_flush_unmap(uintptr_t start, uintptr_t end)
{
	vm_flush(start, end);
}

void *port_early_alloc(size_t size)
{
	phys_addr_t pa = early_alloc_phys(size, sizeof(long), 0);

	if (pa == PHYS_NONE)
		panic("percpu: no %zu bytes of memory for the first chunk's books: give more "
		      "memory",
		      size);
	return phys_to_virt(pa);
}

phys_addr_t port_lookup(uintptr_t addr)
{
	return paging_lookup(addr, NULL);
}

void *port_zalloc(size_t size)
{
	void *ptr = !heap_is_up || must_fail(PORT_HEAP) ? NULL : kzalloc(size);

	if (ptr != NULL)
		heap_bytes += kmalloc_charge(size);
	return ptr;
}

void port_free(void *ptr, size_t size)
{
	kfree(ptr);
	heap_bytes -= kmalloc_charge(size);
}

size_t port_kernel_heap_bytes(void)
{
	return READ_ONCE(heap_bytes);
}

struct port_lock_counts port_kernel_lock_counts(void)
{
	return (struct port_lock_counts){READ_ONCE(area_lock.nr_taken), READ_ONCE(mutex_taken)};
}

void port_mutex_lock(void)
{
	mutex_lock(&alloc_mutex);
	WRITE_ONCE(mutex_taken, mutex_taken + 1);
}

void port_mutex_unlock(void)
{
	void (*hook)(enum port_unlock_kind) = READ_ONCE(unlock_hook);

	mutex_unlock(&alloc_mutex);
	if (unlikely(hook))
		hook(PORT_UNLOCKED_MUTEX);
}

bool port_mutex_held(void)
{
	return mutex_is_held(&alloc_mutex);
}

irqflags_t port_lock(void)
{
	return spin_lock_irqsave(&area_lock);
}

void port_unlock(irqflags_t flags)
{
	void (*hook)(enum port_unlock_kind) = READ_ONCE(unlock_hook);

	spin_unlock_irqrestore(&area_lock, flags);
	if (unlikely(hook))
		hook(PORT_UNLOCKED_SPINLOCK);
}

bool port_lock_held(void)
{
	return spin_is_held(&area_lock);
}

bool port_may_sleep(void)
{
	return may_sleep();
}

static void reclaim_work_fn(struct work *work __unused)
{
	pcpu_reclaim();
}

static struct work reclaim_work = WORK_INIT(reclaim_work, reclaim_work_fn);

void port_reclaim_schedule(void)
{
	ASSERT(!port_lock_held());
	work_queue(&reclaim_work);
}

void port_reclaim_wait(void)
{
	work_flush(&reclaim_work);
}

unsigned int port_cpu_unit(unsigned int cpu)
{
	return (unsigned int)bitmap_weight(cpu_possible_mask.bits, cpu);
}

void port_set_offset(unsigned int cpu, uintptr_t offset)
{
	__per_cpu_offset[cpu] = offset;
	per_cpu(this_cpu_off, cpu) = offset;
}

void port_on_each_cpu(void (*fn)(void *arg), void *arg)
{
	smp_call_all(fn, arg);
}

void port_warn(uintptr_t caller, const char *fmt, ...)
{
	char text[PCPU_TEXT_SIZE + 32]; /* and a few words before it */
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	warn(LOG_AREA, "%s, called by 0x%lx (%pS)", text, caller, (void *)caller);
}

void port_info(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_vline(LOG_INFO, LOG_AREA, fmt, args);
	va_end(args);
}

void port_panic(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	panic("%s", text);
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
	snprintf(buf, size, "%pS", (void *)addr);
}

uint64_t port_time_ms(void)
{
	return time_us() / 1000;
}

bool port_is_kernel_address(uintptr_t addr)
{
	return (addr >= DIRECT_MAP_BASE && addr < DIRECT_MAP_BASE + DIRECT_MAP_SIZE) ||
	       (addr >= VMALLOC_START && addr < VMALLOC_END) || addr >= KERNEL_BASE;
}
