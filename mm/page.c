/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page allocator, see page.h.
 *
 * All pages from physical 0 to the end of memory have a struct page in one array. A block is
 *2^order pages at a multiple of its size; its first page, the head, knows the order, the others are
 *marked PAGE_NOT_HEAD. Two halves of a block are buddies: their page numbers differ in one bit. A
 *free block joins its buddy when that is free too, as long, and on the same memory node.
 *
 *	free_lists[node][order]: free blocks; the most recently freed is handed out first
 *
 * In test builds a freed page is filled with a pattern, and is looked at when it is handed out
 *again: whoever wrote to it in between is caught there, whoever reads it reads the pattern.
 */
#define LOG_AREA "mm"
#include "mm/page.h"

#include "arch/x86_64/acpi.h"
#include "kernel/checks.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/spinlock.h"
#include "kernel/string.h"
#include "mm/early.h"

#define PAGES_A_HOLD 16 /* of a request for many, taken in one hold of the lock */

static struct spinlock page_lock = SPINLOCK_INIT("pages", LOCK_CLASS_PAGES);

static struct page *pages;   /* (C) by page number */
static size_t nr_page_slots; /* (C) length of pages, holes included */
static size_t nr_pages;	     /* (C) of them, memory */
static bool page_ready;	     /* (C) page_init is done */

static struct list_node free_lists[PAGE_MAX_NODES][PAGE_MAX_ORDER + 1]; /* (page_lock) */
static size_t nr_owned[PAGE_NR_OWNERS];	      /* (page_lock) pages by owner */
static unsigned long fail_in[PAGE_NR_OWNERS]; /* (page_lock) fault injection, 0: off */

static const char *const owner_names[PAGE_NR_OWNERS] = {
	[PAGE_FREE] = "free", [PAGE_BOOT] = "boot",	[PAGE_PGTABLE] = "pgtable",
	[PAGE_HEAP] = "heap", [PAGE_PERCPU] = "percpu", [PAGE_VMALLOC] = "vmalloc",
	[PAGE_TEST] = "test",
};

static size_t page_number(const struct page *page)
{
	return (size_t)(page - pages);
}

phys_addr_t page_to_phys(const struct page *page)
{
	return (phys_addr_t)page_number(page) << PAGE_SHIFT;
}

struct page *phys_to_page(phys_addr_t pa)
{
	size_t number = PFN_DOWN(pa);

	if (number >= nr_page_slots || pages[number].owner == PAGE_NR_OWNERS)
		return NULL;
	return &pages[number];
}

void *page_address(const struct page *page)
{
	return phys_to_virt(page_to_phys(page));
}

/* ---- Poison ---- */

#if CONFIG_LOCK_CHECKS
/* What these leave behind in registers would look, to a panic's hints, as if a freed page had been read. */
#define LEAVES_NO_POISON __noinline __attribute__((zero_call_used_regs("used-gpr")))

static LEAVES_NO_POISON void block_poison(struct page *head, unsigned int order)
{
	uint64_t *words = page_address(head);

	if (!checks_on)
		return;
	for (size_t i = 0; i < (PAGE_SIZE << order) / sizeof(*words); i++)
		words[i] = PAGE_POISON;
	for (size_t i = 0; i < (size_t)1 << order; i++)
		head[i].poisoned = true;
}

/* Each page of a block that is about to be handed out still holds what block_poison put there. */
static LEAVES_NO_POISON void block_check_poison(struct page *head, unsigned int order)
{
	for (size_t i = 0; i < (size_t)1 << order; i++) {
		const uint64_t *words = page_address(&head[i]);

		if (!head[i].poisoned)
			continue;
		head[i].poisoned = false;
		if (!checks_on)
			continue;
		for (size_t w = 0; w < PAGE_SIZE / sizeof(*words); w++) {
			if (unlikely(words[w] != PAGE_POISON))
				panic("page_alloc: free page %#lx was written to: %#lx at %p",
				      (unsigned long)page_to_phys(&head[i]),
				      (unsigned long)words[w], (const void *)&words[w]);
		}
	}
}
#else
static void block_poison(struct page *head __unused, unsigned int order __unused)
{
}

static void block_check_poison(struct page *head __unused, unsigned int order __unused)
{
}
#endif

/* ---- Blocks; page_lock is held ---- */

static void block_list_locked(struct page *head, unsigned int order)
{
	head->order = (uint8_t)order;
	head->owner = PAGE_FREE;
	head->free_head = true;
	list_add_front(&head->node, &free_lists[head->node_id][order]);
}

static void block_unlist_locked(struct page *head)
{
	list_del(&head->node);
	head->free_head = false;
}

/* The other half of the block twice as long, if it is one free block on the same node. */
static struct page *block_buddy_locked(struct page *head, unsigned int order)
{
	size_t number = page_number(head) ^ ((size_t)1 << order);
	struct page *buddy;

	if (order >= PAGE_MAX_ORDER || number >= nr_page_slots)
		return NULL;
	buddy = &pages[number];
	if (!buddy->free_head || buddy->order != order || buddy->node_id != head->node_id)
		return NULL;
	return buddy;
}

/* Puts a block on its free list, joined with its buddies. */
static void block_free_locked(struct page *head, unsigned int order)
{
	struct page *buddy;

	while ((buddy = block_buddy_locked(head, order)) != NULL) {
		block_unlist_locked(buddy);
		max(head, buddy)->order = PAGE_NOT_HEAD;
		max(head, buddy)->owner = PAGE_FREE;
		head = min(head, buddy);
		order++;
	}
	block_list_locked(head, order);
}

/* Takes a block off the node's lists, the shortest that is long enough; cuts off what is too much.
 */
static struct page *block_take_locked(unsigned int node, unsigned int order)
{
	unsigned int from = order;
	struct page *head;

	while (from <= PAGE_MAX_ORDER && list_empty(&free_lists[node][from]))
		from++;
	if (from > PAGE_MAX_ORDER)
		return NULL;
	head = list_first(&free_lists[node][from], struct page, node);
	block_unlist_locked(head);
	while (from > order) {
		from--;
		block_list_locked(head + ((size_t)1 << from), from);
	}
	head->order = (uint8_t)order;
	return head;
}

/* ---- Set-up ---- */

static void array_reach(phys_addr_t start __unused, phys_addr_t end)
{
	nr_page_slots = max(nr_page_slots, (size_t)PFN_DOWN(end));
}

static void array_mark_memory(phys_addr_t start, phys_addr_t end)
{
	for (phys_addr_t pa = start; pa < end; pa += PAGE_SIZE) {
		struct page *page = &pages[PFN_DOWN(pa)];

		page->owner = PAGE_BOOT;
		page->node_id = (uint8_t)min(acpi_node_of_phys(pa), PAGE_MAX_NODES - 1u);
		nr_pages++;
	}
}

static void array_make(void)
{
	phys_addr_t array;

	early_for_each_usable(array_reach);
	if (nr_page_slots == 0)
		panic("page_init: no memory: early_add was never called");
	array = early_alloc_phys(nr_page_slots * sizeof(struct page), PAGE_SIZE, 0);
	if (array == ~(phys_addr_t)0)
		panic("page_init: no room for %zu struct page: give the machine more memory",
		      nr_page_slots);
	pages = phys_to_virt(array);
	for (size_t i = 0; i < nr_page_slots; i++) {
		pages[i].owner = PAGE_NR_OWNERS;
		pages[i].order = PAGE_NOT_HEAD;
	}
	early_for_each_usable(array_mark_memory);
	nr_owned[PAGE_BOOT] = nr_pages;
}

/* The order of the longest block that may start at page number `first` and ends by `end`. */
static unsigned int order_at(size_t first, size_t end)
{
	unsigned int order = 0;

	while (order < PAGE_MAX_ORDER && IS_ALIGNED(first, 2ul << order) &&
	       first + (2ul << order) <= end)
		order++;
	return order;
}

/* Frees a range block by block, so that few blocks have to be joined; where a block would lie on two
 * memory nodes, page by page. */
static void free_early_range(phys_addr_t start, phys_addr_t end)
{
	size_t last = PFN_DOWN(end);

	for (size_t i = PFN_DOWN(start), step; i < last; i += step) {
		unsigned int order = order_at(i, last);

		for (size_t n = 1; n < 1ul << order; n++) {
			if (pages[i + n].node_id != pages[i].node_id)
				order = 0;
		}
		step = 1ul << order;
		for (size_t n = 0; n < step; n++)
			pages[i + n].owner = PAGE_FREE;
		block_free_locked(&pages[i], order);
	}
	nr_owned[PAGE_BOOT] -= (end - start) >> PAGE_SHIFT;
	nr_owned[PAGE_FREE] += (end - start) >> PAGE_SHIFT;
}

void page_init(void)
{
	irqflags_t flags;

	if (page_ready)
		panic("page_init: called twice");
	array_make();
	for (size_t i = 0; i < PAGE_MAX_NODES * (PAGE_MAX_ORDER + 1); i++)
		list_init(&free_lists[i / (PAGE_MAX_ORDER + 1)][i % (PAGE_MAX_ORDER + 1)]);
	flags = spin_lock_irqsave(&page_lock);
	early_for_each_free(free_early_range);
	early_close();
	page_ready = true;
	spin_unlock_irqrestore(&page_lock, flags);
	if (nr_owned[PAGE_FREE] == 0)
		panic("page_init: all %zu pages are taken: give the machine more memory", nr_pages);
	log_info("%zu pages, %zu free", nr_pages, nr_owned[PAGE_FREE]);
}

/* ---- Allocate and free ---- */

/* Counts down to an injected fault; true when it is this call that fails. */
static bool fail_now_locked(enum page_owner owner)
{
	return fail_in[owner] != 0 && --fail_in[owner] == 0;
}

/* From the wanted node, else from the next one that can, round the circle. */
static struct page *take_near_locked(unsigned int node, unsigned int order)
{
	struct page *page = NULL;

	for (unsigned int i = 0; i < PAGE_MAX_NODES && page == NULL; i++)
		page = block_take_locked((node + i) % PAGE_MAX_NODES, order);
	return page;
}

static struct page *take_owned_locked(unsigned int node, unsigned int order, enum page_owner owner)
{
	struct page *page;

	if (fail_now_locked(owner))
		return NULL;
	page = take_near_locked(node, order);
	if (page == NULL)
		return NULL;
	page->owner = (uint8_t)owner;
	nr_owned[PAGE_FREE] -= (size_t)1 << order;
	nr_owned[owner] += (size_t)1 << order;
	return page;
}

/* A block that has just been taken becomes as one is handed out. */
static void hand_out(struct page *page, unsigned int order)
{
	page->entries = 0;
	page->heap_map = 0;
	page->heap_shift = 0;
	if (order > 0 || page->poisoned)
		block_check_poison(page, order);
}

static bool may_alloc(unsigned int order, enum page_owner owner)
{
	if (order > PAGE_MAX_ORDER || owner == PAGE_FREE || owner >= PAGE_NR_OWNERS)
		panic("page_alloc: order %u (most: %d), owner %u", order, PAGE_MAX_ORDER, owner);
	return page_ready;
}

struct page *page_alloc_node(unsigned int node, unsigned int order, enum page_owner owner)
{
	struct page *page;
	irqflags_t flags;

	if (!may_alloc(order, owner))
		return NULL;
	flags = spin_lock_irqsave(&page_lock);
	page = take_owned_locked(min(node, PAGE_MAX_NODES - 1u), order, owner);
	spin_unlock_irqrestore(&page_lock, flags);
	if (page != NULL)
		hand_out(page, order);
	return page;
}

/* Of n calls that each take a page, how many go well before one that is to fail. */
static size_t may_take_locked(enum page_owner owner, size_t n)
{
	size_t nr = fail_in[owner] == 0 ? n : min(n, fail_in[owner] - 1);

	if (fail_in[owner] != 0)
		fail_in[owner] -= nr < n ? nr + 1 : nr;
	return nr;
}

/* Up to n single pages, n > 0, cut from one block of the node if it has any. Returns how many. */
static size_t take_run_locked(unsigned int node, enum page_owner owner, void **pages, size_t n)
{
	unsigned int order = 63 - (unsigned int)__builtin_clzl(n);
	struct page *head = NULL;

	for (; order > 0 && head == NULL; order -= head == NULL)
		head = block_take_locked(node, order);
	if (head == NULL)
		head = take_near_locked(node, 0);
	for (size_t i = 0; head != NULL && i < 1ul << order; i++) {
		head[i].order = 0;
		head[i].owner = (uint8_t)owner;
		pages[i] = &head[i];
	}
	return head == NULL ? 0 : 1ul << order;
}

/* A few pages with interrupts off. Returns how many there were. */
static size_t take_some(unsigned int node, enum page_owner owner, void **pages, size_t n)
{
	irqflags_t flags = spin_lock_irqsave(&page_lock);
	size_t nr = 0, run = 1;

	n = may_take_locked(owner, n);
	while (nr < n && run > 0) {
		run = take_run_locked(node, owner, pages + nr, n - nr);
		nr += run;
	}
	nr_owned[PAGE_FREE] -= nr;
	nr_owned[owner] += nr;
	spin_unlock_irqrestore(&page_lock, flags);
	return nr;
}

size_t page_alloc_many(unsigned int node, enum page_owner owner, void **pages, size_t n)
{
	size_t nr = 0, wanted, got;

	if (!may_alloc(0, owner))
		return 0;
	node = min(node, PAGE_MAX_NODES - 1u);
	do {
		wanted = min(n - nr, (size_t)PAGES_A_HOLD);
		got = take_some(node, owner, pages + nr, wanted);
		nr += got;
	} while (got == wanted && nr < n);
	for (size_t i = 0; i < nr; i++) {
		hand_out(pages[i], 0);
		pages[i] = page_address(pages[i]);
	}
	return nr;
}

struct page *page_alloc(unsigned int order, enum page_owner owner)
{
	return page_alloc_node(0, order, owner);
}

/* The head of the block that page lies in; NULL for memory that was never the page allocator's. */
static const struct page *block_around(const struct page *page)
{
	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++) {
		const struct page *head = &pages[ALIGN_DOWN(page_number(page), 1ul << order)];

		if (head->order != PAGE_NOT_HEAD && head->order >= order)
			return head;
	}
	return NULL;
}

const char *page_owner_at(phys_addr_t pa)
{
	const struct page *page = phys_to_page(pa), *head = page ? block_around(page) : NULL;

	if (page == NULL)
		return "nobody";
	return owner_names[head == NULL ? PAGE_BOOT : head->owner];
}

static void check_may_free(const struct page *page)
{
	const struct page *head;

	if (unlikely(page < pages || page_number(page) >= nr_page_slots))
		panic("page_free: %p is not a struct page", (const void *)page);
	if (likely(page->order <= PAGE_MAX_ORDER && !page->free_head))
		return;
	head = block_around(page);
	if (head == NULL)
		panic("page_free: page %#lx was taken before page_init and stays taken",
		      (unsigned long)page_to_phys(page));
	if (head->free_head)
		panic("page_free: page %#lx is free already", (unsigned long)page_to_phys(page));
	panic("page_free: page %#lx is inside a block of 2^%u pages at %#lx, owned by %s",
	      (unsigned long)page_to_phys(page), head->order, (unsigned long)page_to_phys(head),
	      page_owner_name(head->owner));
}

void page_free(struct page *page)
{
	unsigned int order;
	irqflags_t flags;

	check_may_free(page);
	order = page->order;
	block_poison(page, order);
	flags = spin_lock_irqsave(&page_lock);
	check_may_free(page);
	nr_owned[page->owner] -= (size_t)1 << order;
	nr_owned[PAGE_FREE] += (size_t)1 << order;
	block_free_locked(page, order);
	spin_unlock_irqrestore(&page_lock, flags);
}

/* ---- Ledger, checks, fault injection ---- */

size_t page_count(enum page_owner owner)
{
	return READ_ONCE(nr_owned[owner]);
}

size_t page_total(void)
{
	return nr_pages;
}

const char *page_owner_name(enum page_owner owner)
{
	return owner < PAGE_NR_OWNERS ? owner_names[owner] : "?";
}

size_t page_free_blocks(unsigned int order)
{
	irqflags_t flags = spin_lock_irqsave(&page_lock);
	struct list_node *node;
	size_t nr = 0;

	for (unsigned int i = 0; i < PAGE_MAX_NODES; i++) {
		list_for_each (node, &free_lists[i][order])
			nr++;
	}
	spin_unlock_irqrestore(&page_lock, flags);
	return nr;
}

/* Walks the array block by block: adds up pages by owner and free blocks; false if a block is not
 * where its length says, or could have been joined. */
static bool walk_blocks_locked(size_t owned[PAGE_NR_OWNERS], size_t *nr_blocks)
{
	size_t step;

	for (size_t i = 0; i < nr_page_slots; i += step) {
		const struct page *page = &pages[i];
		bool single = page->owner == PAGE_NR_OWNERS || page->owner == PAGE_BOOT;

		step = single ? 1 : (size_t)1 << page->order;
		if (page->owner == PAGE_NR_OWNERS)
			continue;
		owned[page->owner] += step;
		if (!single && (page->order > PAGE_MAX_ORDER || !IS_ALIGNED(i, step)))
			return false;
		if (page->free_head != (page->owner == PAGE_FREE))
			return false;
		if (page->owner != PAGE_FREE)
			continue;
		(*nr_blocks)++;
		if (block_buddy_locked(&pages[i], page->order) != NULL)
			return false;
	}
	return true;
}

bool page_check(void)
{
	size_t owned[PAGE_NR_OWNERS] = {0}, nr_blocks = 0, nr_listed = 0;
	irqflags_t flags;
	bool ok;

	for (unsigned int order = 0; order <= PAGE_MAX_ORDER; order++)
		nr_listed += page_free_blocks(order);
	flags = spin_lock_irqsave(&page_lock);
	ok = walk_blocks_locked(owned, &nr_blocks) && nr_blocks == nr_listed &&
	     memcmp(owned, nr_owned, sizeof(owned)) == 0;
	spin_unlock_irqrestore(&page_lock, flags);
	return ok;
}

void page_fail_nth(enum page_owner owner, unsigned long n)
{
	irqflags_t flags = spin_lock_irqsave(&page_lock);

	fail_in[owner] = n;
	spin_unlock_irqrestore(&page_lock, flags);
}

bool page_fail_pending(void)
{
	for (unsigned int i = 0; i < PAGE_NR_OWNERS; i++) {
		if (READ_ONCE(fail_in[i]) != 0)
			return true;
	}
	return false;
}
