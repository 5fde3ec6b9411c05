/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chunks: their making and unmaking, the slots that sort them by free bytes, the tree that finds
 *them by address.
 *
 *	slot 0        full, or nothing left that is worth a search
 *	slot 1        1-15 bytes free
 *	slot 2        16-31 bytes, and so on, each slot twice the one before
 *	last slot     wholly free chunks
 *
 * A chunk that comes to have more free bytes goes to the front of its new slot, one that comes to
 *have fewer goes to the back: nearly full chunks fill up first and others get a chance to drain.
 * Needs: addresses and heap from the port. Locks: percpu_internal.h.
 */
#include "percpu/front.h"
#include "percpu/percpu_internal.h"

/* 16-31 bytes: fls = 5, the first slot above the one for small rests. */
#define SLOT_BASE_SHIFT 5

struct list_node *pcpu_slots;
unsigned int pcpu_nr_slots;
struct list_node *pcpu_cursor;
struct pcpu_chunk *pcpu_reserved_chunk;
struct pcpu_chunk *pcpu_first_chunk;
struct list_node pcpu_all_chunks = LIST_INIT(pcpu_all_chunks);

static struct rb_root chunk_tree; /* (L) chunks by address */

/* slot(n) of the contract: 1 for 1-15, 2 for 16-31, 3 for 32-63 … */
static unsigned int slot_of_size(size_t n)
{
	int fls = 64 - __builtin_clzl(n);

	return (unsigned int)max(fls - SLOT_BASE_SHIFT + 2, 1);
}

unsigned int pcpu_slot_of(size_t n)
{
	return n == pcpu_unit_size ? pcpu_nr_slots - 1 : slot_of_size(n);
}

static unsigned int chunk_slot(struct pcpu_chunk *chunk)
{
	size_t rank = pcpu_engine->rank(&chunk->space);

	return rank == 0 ? 0 : pcpu_slot_of(rank);
}

void pcpu_slots_init(void)
{
	pcpu_nr_slots = slot_of_size(pcpu_unit_size) + 2;
	pcpu_slots = port_early_alloc(pcpu_nr_slots * sizeof(*pcpu_slots));
	for (unsigned int i = 0; i < pcpu_nr_slots; i++)
		list_init(&pcpu_slots[i]);
	chunk_tree = (struct rb_root){NULL, NULL};
	list_init(&pcpu_all_chunks);
}

void pcpu_chunk_relocate(struct pcpu_chunk *chunk)
{
	int slot = (int)chunk_slot(chunk);

	pcpu_assert_locked(__func__);
	if (chunk->reserved || slot == chunk->slot)
		return;
	if (pcpu_cursor == &chunk->node)
		pcpu_cursor = chunk->node.next;
	list_del(&chunk->node);
	if (slot > chunk->slot)
		list_add_front(&chunk->node, &pcpu_slots[slot]);
	else
		list_add_back(&chunk->node, &pcpu_slots[slot]);
	chunk->slot = slot;
}

static void tree_insert(struct pcpu_chunk *chunk)
{
	struct rb_node **link = &chunk_tree.node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (chunk->base < rb_entry(parent, struct pcpu_chunk, tree_node)->base)
			link = &parent->left;
		else
			link = &parent->right;
	}
	rb_insert(&chunk_tree, &chunk->tree_node, parent, link);
}

void pcpu_chunk_insert(struct pcpu_chunk *chunk)
{
	pcpu_assert_locked(__func__);
	tree_insert(chunk);
	chunk->slot = NO_SLOT;
	pcpu_chunk_relocate(chunk);
	list_add_back(&chunk->all, &pcpu_all_chunks);
	pcpu_front_insert(chunk);
}

struct pcpu_chunk *pcpu_chunk_below(uintptr_t addr)
{
	struct pcpu_chunk *best = NULL;
	struct rb_node *node = chunk_tree.node;

	pcpu_assert_locked(__func__);
	while (node) {
		struct pcpu_chunk *chunk = rb_entry(node, struct pcpu_chunk, tree_node);

		if ((uintptr_t)chunk->base <= addr) {
			best = chunk;
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return best;
}

size_t pcpu_tree_count(void)
{
	size_t count = 0;

	pcpu_assert_locked(__func__);
	if (!rb_valid(&chunk_tree))
		return 0;
	for (struct rb_node *node = rb_first(&chunk_tree); node; node = rb_next(node))
		count++;
	return count;
}

static size_t pages_bytes(void)
{
	return sizeof(struct pcpu_pages) + pcpu_nr_units * pcpu_unit_pages * sizeof(struct page *) +
	       BITS_TO_LONGS(pcpu_unit_pages) * sizeof(long);
}

static void chunk_free_books(struct pcpu_chunk *chunk)
{
	size_t bytes;
	void *map = pcpu_engine->destroy(&chunk->space, &bytes);

	pcpu_mem_free(map, bytes);
	pcpu_mem_free(chunk->front_books, pcpu_front_book_bytes());
	pcpu_mem_free(chunk->memory, pages_bytes());
	pcpu_mem_free(chunk, sizeof(*chunk));
}

/* A page record with no pages, in one piece with its arrays; NULL when out of memory. */
static struct pcpu_pages *pages_create(void)
{
	struct pcpu_pages *memory = pcpu_mem_alloc(pages_bytes());

	if (!memory)
		return NULL;
	memory->pages = (struct page **)(memory + 1);
	memory->populated = (unsigned long *)(memory->pages + pcpu_nr_units * pcpu_unit_pages);
	return memory;
}

struct pcpu_chunk *pcpu_chunk_create(void)
{
	size_t map_bytes = pcpu_engine->init_bytes(pcpu_unit_size);
	struct pcpu_chunk *chunk = pcpu_mem_alloc(sizeof(*chunk));
	void *map;

	if (!chunk)
		return NULL;
	map = pcpu_mem_alloc(map_bytes);
	if (!map) {
		pcpu_mem_free(chunk, sizeof(*chunk));
		return NULL;
	}
	pcpu_engine->init(&chunk->space, 0, pcpu_unit_size, map, map_bytes, false);
	if (pcpu_front_on) {
		chunk->front_books = pcpu_mem_alloc(pcpu_front_book_bytes());
		if (!chunk->front_books)
			goto free_books;
	}
	chunk->memory = pages_create();
	if (!chunk->memory)
		goto free_books;
	chunk->base = (char *)port_range_alloc(pcpu_chunk_bytes());
	if (!chunk->base)
		goto free_books;
	chunk->space.engine = pcpu_engine;
	list_init(&chunk->node);
	chunk->slot = NO_SLOT;
	chunk->id = pcpu_counters.chunks_made;
	return chunk;

free_books:
	chunk_free_books(chunk);
	return NULL;
}

void pcpu_chunk_destroy(struct pcpu_chunk *chunk)
{
	if (chunk->first || chunk->space.free_size != chunk->space.span)
		port_panic("chunk %lu must not be destroyed: %s", chunk->id,
			   chunk->first ? "it is the first chunk" : "it holds areas");
	pcpu_depopulate_all(chunk);
	port_range_free((uintptr_t)chunk->base, pcpu_chunk_bytes());
	chunk_free_books(chunk);
}

static struct list_node *free_slot(void)
{
	return &pcpu_slots[pcpu_nr_slots - 1];
}

bool pcpu_chunks_surplus(void)
{
	struct list_node *slot = free_slot();

	pcpu_assert_locked(__func__);
	return slot->next != slot && slot->next->next != slot;
}

bool pcpu_chunk_unlink_surplus(struct list_node *out)
{
	struct list_node *surplus;
	struct pcpu_chunk *chunk;

	pcpu_assert_locked(__func__);
	if (!port_mutex_held())
		port_panic("%s: pcpu_alloc_mutex is not held", __func__);
	surplus = free_slot()->next->next; /* the head if there is one chunk or none */
	if (surplus == free_slot())
		return false;
	chunk = list_entry(surplus, struct pcpu_chunk, node);
	list_del(&chunk->node);
	rb_erase(&chunk_tree, &chunk->tree_node);
	list_del(&chunk->all);
	pcpu_front_remove(chunk);
	list_add_back(&chunk->node, out);
	return true;
}
