/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The first chunk: it exists before any allocator runs, around the linker's static area.
 *
 *	unit of each CPU:  | static area | reserved area | dynamic area | left alone |
 *	                   0          static       + reserved      + dyn       unit_size
 *
 * With a reserved area it becomes two chunks over one range of pages: one that serves reserved
 *requests and is on no slot, and one for everybody else, whose map counts the rest as one area in
 *use. Their books are static memory, since there is no heap yet.
 *
 * Wrong arguments panic: a kernel that goes on with a wrong layout corrupts itself later and
 *elsewhere.
 */
#include "percpu/front.h"
#include "percpu/percpu_internal.h"

char *pcpu_base_addr;
size_t pcpu_unit_size;
unsigned int pcpu_nr_units;
size_t pcpu_unit_pages;
size_t pcpu_static_size;
size_t pcpu_first_pages;
unsigned int pcpu_unit_of[NR_CPUS];
unsigned int pcpu_cpu_of[NR_CPUS];
const struct pcpu_engine *pcpu_engine = &areamap_engine;

/* The arguments, resolved. */
struct layout {
	size_t static_size, reserved_size, unit_size, dyn_size;
	size_t nr_pages; /* that get_page supplies, the same for every CPU */
	char *base;	 /* NULL: to be mapped into a range of our own */
};

bool pcpu_engine_select(const char *name)
{
	const struct pcpu_engine *engine = pcpu_engine_find(name);

	if (engine)
		pcpu_engine = engine;
	return engine != NULL;
}

static void __noreturn bad_layout(const struct layout *l, const char *argument, const char *why)
{
	port_panic("pcpu_setup_first_chunk: %s: %s (static %zu, reserved %zu, dyn %zd, unit %zd, "
		   "pages %zu, base %p)",
		   argument, why, l->static_size, l->reserved_size, (ssize_t)l->dyn_size,
		   (ssize_t)l->unit_size, l->nr_pages, (void *)l->base);
}

static size_t layout_sum(const struct layout *l)
{
	return l->static_size + l->reserved_size + l->dyn_size;
}

static void check_base(const struct layout *l, bool unit_is_automatic, bool has_populate)
{
	if (l->base && has_populate)
		bad_layout(l, "base_addr", "given together with populate_pte: give one of them");
	if (l->base && unit_is_automatic)
		bad_layout(l, "base_addr", "needs a unit_size: give both");
	if (!IS_ALIGNED((uintptr_t)l->base, PAGE_SIZE))
		bad_layout(l, "base_addr", "not page-aligned: give the start of a page");
}

/* Fills in automatic sizes; panics on sizes that fit nothing. */
static void resolve_sizes(struct layout *l, ssize_t unit_size, ssize_t dyn_size)
{
	if (l->static_size == 0)
		bad_layout(l, "static_size", "is 0: give the bytes of the static area");
	if (unit_size < 0 && dyn_size >= 0)
		bad_layout(l, "dyn_size", "given without a unit_size: give both or neither");
	if (unit_size < 0)
		l->unit_size = max(PCPU_MIN_UNIT_SIZE,
				   PFN_UP(l->static_size + l->reserved_size) * PAGE_SIZE);
	if (!IS_ALIGNED(l->unit_size, PAGE_SIZE))
		bad_layout(l, "unit_size", "not a multiple of the page size: round it up");
	if (l->unit_size < PCPU_MIN_UNIT_SIZE)
		bad_layout(l, "unit_size", "below PCPU_MIN_UNIT_SIZE, 64 KiB: make it larger");
	if (l->unit_size > INT32_MAX)
		bad_layout(l, "unit_size", "more than an area map entry can hold: make it smaller");
	if (l->reserved_size > l->unit_size || l->static_size + l->reserved_size > l->unit_size)
		bad_layout(l, "unit_size",
			   "too small for static and reserved area: make it larger");
	if (dyn_size < 0)
		l->dyn_size = l->unit_size - l->static_size - l->reserved_size;
	if (l->dyn_size > l->unit_size || layout_sum(l) > l->unit_size)
		bad_layout(l, "unit_size",
			   "too small for static, reserved and dynamic area: make it larger");
}

/* How many pages get_page has for a CPU. */
static size_t count_pages_of(pcpu_get_page_fn get_page, unsigned int cpu, size_t limit)
{
	size_t n = 0;

	while (n < limit && get_page(cpu, n))
		n++;
	return n;
}

static void check_pages(struct layout *l, pcpu_get_page_fn get_page)
{
	size_t limit = l->unit_size / PAGE_SIZE;
	bool first = true;
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		size_t n = count_pages_of(get_page, cpu, limit);

		if (!first && n != l->nr_pages)
			bad_layout(l, "get_page",
				   "page counts differ between CPUs: give each as many");
		l->nr_pages = n;
		first = false;
	}
	if (l->nr_pages * PAGE_SIZE < l->static_size)
		bad_layout(l, "get_page", "pages do not cover the static area: give more");
	if (l->base && l->nr_pages * PAGE_SIZE < layout_sum(l))
		bad_layout(l, "get_page", "pages of an immutable chunk do not cover it: give more");
}

/* Asks the port for the order of units. */
static void lay_out_units(const struct layout *l)
{
	unsigned int cpu, seen = 0;

	pcpu_nr_units = cpumask_weight(&cpu_possible_mask);
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++)
		pcpu_cpu_of[unit] = NR_CPUS;
	for_each_possible_cpu (cpu) {
		unsigned int unit = port_cpu_unit(cpu);

		if (unit >= pcpu_nr_units || pcpu_cpu_of[unit] != NR_CPUS)
			bad_layout(l, "port_cpu_unit", "not one unit for each possible CPU");
		pcpu_unit_of[cpu] = unit;
		pcpu_cpu_of[unit] = cpu;
		seen++;
	}
	if (seen == 0 || seen != pcpu_nr_units)
		bad_layout(l, "possible CPUs", "none, or ids at or past nr_cpu_ids");
}

static struct pcpu_pages *collect_pages(const struct layout *l, pcpu_get_page_fn get_page)
{
	static struct pcpu_pages memory;

	memory.pages = port_early_alloc(pcpu_nr_units * pcpu_unit_pages * sizeof(*memory.pages));
	memory.populated = port_early_alloc(BITS_TO_LONGS(pcpu_unit_pages) * sizeof(unsigned long));
	for (size_t n = 0; n < l->nr_pages; n++) {
		for (unsigned int unit = 0; unit < pcpu_nr_units; unit++)
			memory.pages[unit * pcpu_unit_pages + n] = get_page(pcpu_cpu_of[unit], n);
		bitmap_set(memory.populated, n);
	}
	memory.nr_populated = l->nr_pages;
	return &memory;
}

/* Finds addresses for the units and maps the pages that there are. */
static void map_units(struct layout *l, const struct pcpu_pages *memory,
		      pcpu_populate_pte_fn populate_pte)
{
	l->base = (char *)port_range_register_early(pcpu_nr_units * l->unit_size);
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++) {
		uintptr_t addr = (uintptr_t)l->base + unit * l->unit_size;

		for (size_t n = 0; populate_pte && n < pcpu_unit_pages; n++)
			populate_pte(addr + n * PAGE_SIZE);
		if (port_map(addr, &memory->pages[unit * pcpu_unit_pages], l->nr_pages) != 0)
			bad_layout(l, "populate_pte", "the pages cannot be mapped");
	}
	port_flush_map((uintptr_t)l->base, (uintptr_t)l->base + pcpu_nr_units * l->unit_size);
}

/* One part of the first chunk: `used` bytes that are not its to give, then `free` ones that are. */
static void init_part(struct pcpu_chunk *chunk, const struct layout *l, struct pcpu_pages *memory,
		      int map[2], size_t used, size_t free, bool immutable)
{
	size_t bytes = pcpu_engine == &areamap_engine ? 2 * sizeof(int)
						      : pcpu_engine->init_bytes(used + free);
	void *books = pcpu_engine == &areamap_engine ? map : port_early_alloc(bytes);

	*chunk = (struct pcpu_chunk){.memory = memory,
				     .base = l->base,
				     .id = pcpu_counters.chunks_made++,
				     .slot = NO_SLOT,
				     .first = true,
				     .immutable = immutable};
	list_init(&chunk->node);
	chunk->space.engine = pcpu_engine;
	pcpu_engine->init(&chunk->space, used, free, books, bytes, true);
	chunk->start = chunk->space.span - chunk->space.free_size;
}

static void make_chunks(const struct layout *l, struct pcpu_pages *memory, bool immutable)
{
	static struct pcpu_chunk reserved_chunk, dynamic_chunk;
	static int reserved_map[2], dynamic_map[2];
	size_t used = l->static_size;
	irqflags_t flags;

	pcpu_reserved_chunk = NULL;
	pcpu_first_chunk = NULL;
	if (l->reserved_size > 0) {
		init_part(&reserved_chunk, l, memory, reserved_map, used, l->reserved_size,
			  immutable);
		reserved_chunk.reserved = true;
		pcpu_reserved_chunk = &reserved_chunk;
		used += l->reserved_size;
	}
	if (l->dyn_size > 0 || l->reserved_size == 0) {
		init_part(&dynamic_chunk, l, memory, dynamic_map, used, l->dyn_size, immutable);
		pcpu_first_chunk = &dynamic_chunk;
		flags = port_lock();
		pcpu_chunk_insert(&dynamic_chunk);
		port_unlock(flags);
	}
}

static void publish_offsets(void)
{
	unsigned int cpu;

	for_each_possible_cpu (cpu) {
		uintptr_t unit = (uintptr_t)pcpu_base_addr + pcpu_unit_of[cpu] * pcpu_unit_size;

		port_set_offset(cpu, unit - (uintptr_t)__per_cpu_start);
	}
}

size_t pcpu_setup_first_chunk(pcpu_get_page_fn get_page, size_t static_size, size_t reserved_size,
			      ssize_t unit_size, ssize_t dyn_size, void *base_addr,
			      pcpu_populate_pte_fn populate_pte)
{
	struct layout l = {static_size, reserved_size, (size_t)unit_size, (size_t)dyn_size,
			   0,		base_addr};
	struct pcpu_pages *memory;

	check_base(&l, unit_size < 0, populate_pte != NULL);
	resolve_sizes(&l, unit_size, dyn_size);
	lay_out_units(&l);
	check_pages(&l, get_page);
	pcpu_unit_pages = l.unit_size / PAGE_SIZE;
	pcpu_static_size = l.static_size;
	pcpu_counters =
		(struct pcpu_stats){.populated_pages = l.nr_pages, .peak_pages = l.nr_pages};
	pcpu_first_pages = base_addr ? 0 : l.nr_pages * pcpu_nr_units;
	memory = collect_pages(&l, get_page);
	if (!base_addr)
		map_units(&l, memory, populate_pte);
	pcpu_base_addr = l.base;
	pcpu_unit_size = l.unit_size; /* from here on requests are taken */
	pcpu_slots_init();
	pcpu_front_init();
	make_chunks(&l, memory, base_addr != NULL);
	publish_offsets();
	pcpu_front_start(pcpu_first_chunk);
	port_info("first chunk: %u units of %zu bytes at %p: static %zu, reserved %zu, dynamic %zu",
		  pcpu_nr_units, l.unit_size, (void *)l.base, l.static_size, l.reserved_size,
		  l.dyn_size);
	return l.unit_size;
}
