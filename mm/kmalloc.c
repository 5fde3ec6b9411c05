/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel heap, see kmalloc.h.
 *
 * Up to half a page: one page is cut into equal objects, their size a power of two. Which objects
 *are in use is a bitmap, so that a wrong free is seen for certain. Where a page has up to 64
 *objects the bitmap is in struct page; the two smallest sizes keep it in the page, in place of the
 *first objects:
 *
 *	16 bytes:  | bitmap, 32 bytes | object 2 | object 3 | … | object 255 |
 *	64 bytes:  | object 0 | object 1 | … | object 63 |     bitmap in page->heap_map
 *
 * Pages with room are on the list of their size; of wholly empty ones each list keeps one, the
 *others go back at once. Larger requests are blocks of the page allocator. page->entries counts
 *objects. In test builds a freed object is filled with HEAP_POISON.
 */
#include "mm/kmalloc.h"

#include "arch/x86_64/copy.h"
#include "kernel/bitmap.h"
#include "kernel/checks.h"
#include "kernel/panic.h"
#include "kernel/spinlock.h"
#include "kernel/string.h"
#include "mm/page.h"

#define MIN_SHIFT     4
#define MAX_SHIFT     (PAGE_SHIFT - 1)
#define LARGEST_BLOCK (PAGE_SIZE << PAGE_MAX_ORDER)

struct size_class {
	struct list_node with_room; /* (heap_lock) pages that have a free object */
	size_t nr_empty;	    /* (heap_lock) of them, those without any object in use */
};

static struct spinlock heap_lock = SPINLOCK_INIT("heap", LOCK_CLASS_HEAP);
static struct size_class classes[MAX_SHIFT + 1]; /* by log2 of the object size */
static size_t live_bytes;			 /* (heap_lock) */
static unsigned long fail_in;			 /* (heap_lock) fault injection, 0: off */
static bool heap_ready;				 /* (C) */

void kmalloc_init(void)
{
	for (unsigned int shift = MIN_SHIFT; shift <= MAX_SHIFT; shift++)
		list_init(&classes[shift].with_room);
	heap_ready = true;
}

/* The smallest shift ≥ least with 2^shift ≥ size. */
static unsigned int shift_for(size_t size, unsigned int least)
{
	return size <= 1 ? least : max(least, 64 - (unsigned int)__builtin_clzl(size - 1));
}

/* ---- Pages of objects ---- */

static size_t objects_in(unsigned int shift)
{
	return PAGE_SIZE >> shift;
}

static unsigned long *page_bitmap(struct page *page)
{
	if (objects_in(page->heap_shift) <= BITS_PER_LONG)
		return &page->heap_map;
	return page_address(page);
}

/* How many objects at the front of a page hold its bitmap. */
static size_t objects_reserved(unsigned int shift)
{
	size_t bitmap_bytes = objects_in(shift) / 8;

	if (objects_in(shift) <= BITS_PER_LONG)
		return 0;
	return (bitmap_bytes + ((size_t)1 << shift) - 1) >> shift;
}

static size_t objects_usable(unsigned int shift)
{
	return objects_in(shift) - objects_reserved(shift);
}

/* A fresh page of free objects, put on its list. */
static struct page *page_make_locked(unsigned int shift)
{
	struct page *page = page_alloc(0, PAGE_HEAP);
	unsigned long *bitmap;

	if (page == NULL)
		return NULL;
	page->heap_shift = shift & 0xf;
	bitmap = page_bitmap(page);
	if (objects_in(shift) > BITS_PER_LONG)
		memset(bitmap, 0, objects_in(shift) / 8);
	for (size_t i = 0; i < objects_reserved(shift); i++)
		bitmap_set(bitmap, i);
	list_add_front(&page->node, &classes[shift].with_room);
	classes[shift].nr_empty++;
	return page;
}

/* Takes the first free object of a page that has one. */
static void *page_take_locked(struct page *page)
{
	unsigned int shift = page->heap_shift;
	unsigned long *word = page_bitmap(page);
	size_t index = 0;

	for (; *word == ~0ul; word++)
		index += BITS_PER_LONG;
	index += (size_t)__builtin_ctzl(~*word);
	*word |= *word + 1;
	if (page->entries++ == 0)
		classes[shift].nr_empty--;
	if (page->entries == objects_usable(shift))
		list_del(&page->node);
	return (char *)page_address(page) + (index << shift);
}

static void *object_alloc_locked(unsigned int shift)
{
	struct size_class *class = &classes[shift];
	struct page *page;

	if (list_empty(&class->with_room))
		page = page_make_locked(shift);
	else
		page = list_first(&class->with_room, struct page, node);
	if (page == NULL)
		return NULL;
	live_bytes += (size_t)1 << shift;
	return page_take_locked(page);
}

/* Takes an object back. Returns its page if that is not needed any more, for page_free. */
static struct page *object_free_locked(struct page *page, void *ptr)
{
	unsigned int shift = page->heap_shift;
	size_t offset = (uintptr_t)ptr & (PAGE_SIZE - 1);
	unsigned long *bitmap = page_bitmap(page);

	if (unlikely((offset & (((size_t)1 << shift) - 1)) != 0 ||
		     offset >> shift < objects_reserved(shift)))
		panic("kfree: %p is inside an object of %u bytes, not its start", ptr, 1u << shift);
	if (unlikely(!bitmap_test(bitmap, offset >> shift)))
		panic("kfree: %p, an object of %u bytes, is free already", ptr, 1u << shift);
	if (checks_on)
		memset(ptr, HEAP_POISON, (size_t)1 << shift);
	bitmap_clear(bitmap, offset >> shift);
	live_bytes -= (size_t)1 << shift;
	if (page->entries-- == objects_usable(shift))
		list_add_front(&page->node, &classes[shift].with_room);
	if (page->entries > 0)
		return NULL;
	if (classes[shift].nr_empty == 0) {
		classes[shift].nr_empty = 1;
		return NULL;
	}
	list_del(&page->node);
	return page;
}

/* ---- Large blocks ---- */

/* Without the lock but for the figures: to look through a large block's poison takes a while. */
static void *large_alloc(size_t size)
{
	unsigned int order = shift_for(size, PAGE_SHIFT) - PAGE_SHIFT;
	struct page *page = page_alloc(order, PAGE_HEAP);
	irqflags_t flags;

	if (page == NULL)
		return NULL;
	flags = spin_lock_irqsave(&heap_lock);
	live_bytes += PAGE_SIZE << order;
	spin_unlock_irqrestore(&heap_lock, flags);
	return page_address(page);
}

static struct page *large_free_locked(struct page *page, void *ptr)
{
	if (unlikely(!IS_ALIGNED((uintptr_t)ptr, PAGE_SIZE)))
		panic("kfree: %p is inside a block of %zu bytes, not its start", ptr,
		      PAGE_SIZE << page->order);
	live_bytes -= PAGE_SIZE << page->order;
	return page;
}

/* ---- Interface ---- */

/* Counts down to an injected fault; true when it is this call that fails. */
static bool fail_now_locked(void)
{
	return fail_in != 0 && --fail_in == 0;
}

void *kmalloc(size_t size)
{
	void *ptr = NULL;
	irqflags_t flags;
	bool fail;

	if (!heap_ready || size == 0 || size > LARGEST_BLOCK)
		return NULL;
	flags = spin_lock_irqsave(&heap_lock);
	fail = fail_now_locked();
	if (!fail && size <= PAGE_SIZE / 2)
		ptr = object_alloc_locked(shift_for(size, MIN_SHIFT));
	spin_unlock_irqrestore(&heap_lock, flags);
	if (!fail && size > PAGE_SIZE / 2)
		ptr = large_alloc(size);
	return ptr;
}

void *kzalloc(size_t size)
{
	void *ptr = kmalloc(size);

	if (ptr != NULL)
		x86_zero(ptr, ALIGN_UP(size,
				       (size_t)1 << MIN_SHIFT)); /* objects are multiples of that */
	return ptr;
}

/* The heap page that ptr lies in. Panics when there is none: then ptr never came from kmalloc, or
 * it was freed and its page went back. */
static struct page *heap_page_of(const void *ptr)
{
	uintptr_t offset = (uintptr_t)ptr - DIRECT_MAP_BASE;
	struct page *page = offset < DIRECT_MAP_SIZE ? phys_to_page(offset) : NULL;

	if (page == NULL)
		panic("kfree: %p does not lie in memory: kmalloc never returned it", ptr);
	if (page->owner != PAGE_HEAP || page->order == PAGE_NOT_HEAD)
		panic("kfree: %p is not the heap's, or was freed already: its page is %s", ptr,
		      page->order == PAGE_NOT_HEAD ? "inside a block or free"
						   : page_owner_name(page->owner));
	return page;
}

void kfree(void *ptr)
{
	struct page *page;
	irqflags_t flags;

	if (ptr == NULL)
		return;
	flags = spin_lock_irqsave(&heap_lock);
	page = heap_page_of(ptr);
	if (page->heap_shift == 0)
		page = large_free_locked(page, ptr);
	else
		page = object_free_locked(page, ptr);
	spin_unlock_irqrestore(&heap_lock, flags);
	if (page != NULL)
		page_free(page);
}

/* Classes and large blocks alike are powers of two. */
size_t kmalloc_charge(size_t size)
{
	return (size_t)1 << shift_for(size, MIN_SHIFT);
}

size_t kmalloc_bytes(void)
{
	return READ_ONCE(live_bytes);
}

/* Moves the empty pages of a class to the list `out`. */
static void class_trim_locked(struct size_class *class, struct list_node *out)
{
	struct page *page, *next;

	list_for_each_entry_safe (page, next, &class->with_room, node) {
		if (page->entries > 0)
			continue;
		list_del(&page->node);
		list_add_back(&page->node, out);
		class->nr_empty--;
	}
}

void kmalloc_trim(void)
{
	struct list_node out = LIST_INIT(out);
	struct page *page, *next;
	irqflags_t flags;

	if (!heap_ready)
		return;
	flags = spin_lock_irqsave(&heap_lock);
	for (unsigned int shift = MIN_SHIFT; shift <= MAX_SHIFT; shift++)
		class_trim_locked(&classes[shift], &out);
	spin_unlock_irqrestore(&heap_lock, flags);
	list_for_each_entry_safe (page, next, &out, node)
		page_free(page);
}

void kmalloc_fail_nth(unsigned long n)
{
	irqflags_t flags = spin_lock_irqsave(&heap_lock);

	fail_in = n;
	spin_unlock_irqrestore(&heap_lock, flags);
}

bool kmalloc_fail_pending(void)
{
	return READ_ONCE(fail_in) != 0;
}
