/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocation and free: the way of a request.
 *
 *	check ──► mutex ──► find room (search.c) ──► populate ──► zero on every CPU ──► pointer
 *	                       └► none: NULL            └► failed: undo, NULL
 *
 * Pages and zeroing have the mutex only. Free is the spinlock only, so it works in interrupt handlers.
 */
#include "percpu/guard.h"
#include "percpu/search.h"

/* (A) What comes along with a request of the front. */
static struct front_batch batch;

static void __percpu *area_pointer(const struct request *req)
{
	return pcpu_addr_to_ptr((uintptr_t)req->chunk->base + req->grant.offset);
}

static void zero_area(const struct request *req)
{
	for (unsigned int unit = 0; unit < pcpu_nr_units; unit++)
		memset(pcpu_unit_address(req->chunk, pcpu_cpu_of[unit], req->grant.offset), 0,
		       req->size);
}

/* Pages for the request's area; also for what comes along if there are that many. */
static bool populate(struct request *req)
{
	size_t first = req->grant.offset / PAGE_SIZE, end = PFN_UP(req->grant.offset + req->size);

	if (req->class != 0 && batch.nr > 1 &&
	    pcpu_populate(req->chunk, first, PFN_UP(batch.offsets[batch.nr - 1] + req->size)) == 0)
		return true;
	return pcpu_populate(req->chunk, first, end) == 0;
}

/* Whether a page of the batch has no memory. */
static bool needs_pages(const struct request *req)
{
	size_t end = PFN_UP(batch.offsets[batch.nr - 1] + req->size);

	for (size_t n = batch.offsets[0] / PAGE_SIZE; n < end; n++) {
		if (!pcpu_page_populated(req->chunk, n))
			return true;
	}
	return false;
}

/* pcpu_find_area, but before a batch of the front gets new pages, what other CPUs keep ready is looked for: if that is
 * much, it goes back to its chunks, and another place may be found. */
static bool find_frugally(struct request *req, bool *made)
{
	bool made_again, found;

	if (!pcpu_find_area(req, made))
		return false;
	if (req->class == 0 || req->chunk->immutable || !needs_pages(req) ||
	    !pcpu_front_take_from_others())
		return true;
	pcpu_undo_area(req);
	req->surplus |= pcpu_front_sweep();
	found = pcpu_find_area(req, &made_again);
	*made |= made_again;
	return found;
}

/* Mutex held: finds, populates and zeroes. False when out of memory, with everything as before. */
static bool serve(struct request *req, bool *made)
{
	if (!find_frugally(req, made))
		return false;
	if (!populate(req)) {
		pcpu_undo_area(req);
		return false;
	}
	if (req->class != 0) {
		pcpu_front_adopt(req->chunk, &batch);
		pcpu_front_zero(area_pointer(req), req->size);
	} else {
		zero_area(req);
	}
	return true;
}

/*
 * serve, for the front if the request is of one of its classes: dead areas are swept before they are a
 * page together. When memory is short, all that CPUs keep ready is taken back first, and no more is asked
 * for than the caller did.
 */
static bool serve_swept(struct request *req, bool *made)
{
	size_t size = req->size, align = req->align;
	bool made_again = false, served;

	req->class = req->reserved || !pcpu_front_on ? 0 : pcpu_front_class(size, align);
	batch.class = req->class;
	req->batch = &batch;
	if (req->class != 0) {
		req->size = pcpu_front_size(req->class);
		req->align = pcpu_front_align(req->class);
	}
	if (pcpu_front_dead() >= PAGE_SIZE)
		req->surplus |= pcpu_front_sweep();
	if (serve(req, made))
		return true;
	pcpu_front_drain();
	if (pcpu_front_dead() == 0 && req->size == size && req->align == align)
		return false;
	req->surplus |= pcpu_front_sweep();
	req->class = 0;
	req->size = size;
	req->align = align;
	served = serve(req, &made_again);
	*made |= made_again;
	return served;
}

static struct pcpu_where area_where(const struct pcpu_chunk *chunk, size_t offset, size_t length)
{
	return (struct pcpu_where){.what = PCPU_AREA,
				   .chunk = chunk->id,
				   .has_chunk = true,
				   .offset = offset,
				   .area_offset = offset,
				   .area_length = length,
				   .populated = true};
}

/* Why a request may not even start; NULL if it may. */
static const char *request_refused(size_t size, size_t align)
{
	if (size == 0 || size > PCPU_MIN_UNIT_SIZE || !is_power_of_2(align) || align > PAGE_SIZE)
		return pcpu_illegal_size;
	if (pcpu_unit_size == 0)
		return "no first chunk yet";
	if (!port_may_sleep())
		return "allocation from a context that must not sleep";
	if (port_mutex_held())
		return "allocation entered again from inside an allocation";
	return NULL;
}

/* serve for a request with guards around its area. *ptr: what the caller gets. */
static bool serve_guarded(struct request *req, bool *made, void __percpu **ptr)
{
	struct pcpu_guard *guard = pcpu_guard_create(req->size, req->align, req->caller);
	bool served, made_again = false;

	*made = false;
	if (!guard)
		return false;
	req->size = guard->total;
	served = serve(req, made) ||
		 (pcpu_quarantine_shrink(0, req->caller) && serve(req, &made_again));
	*made |= made_again;
	if (served)
		*ptr = pcpu_guard_attach(guard, area_pointer(req));
	else
		pcpu_guard_discard(guard);
	return served;
}

static void __percpu *alloc_unseen(struct request *req, struct pcpu_result *result)
{
	size_t size = req->size, align = req->align; /* classes and guards add */
	const char *refused = request_refused(size, align);
	void __percpu *ptr = NULL;
	bool served, made;

	result->warned = false;
	if (refused) {
		pcpu_report_refusal(size, align, refused, result);
		return NULL;
	}
	port_mutex_lock();
	req->reserved = req->reserved && pcpu_reserved_chunk;
	if (pcpu_guard_on) {
		served = serve_guarded(req, &made, &ptr);
	} else {
		served = serve_swept(req, &made);
		ptr = served ? area_pointer(req) : NULL;
	}
	port_mutex_unlock();
	if (req->surplus || (made && !served))
		port_reclaim_schedule();
	result->error = NULL;
	if (served)
		return ptr;
	pcpu_report_no_memory(size, align, req->reserved, result);
	return NULL;
}

static void __percpu *alloc_for(struct request *req, struct pcpu_result *result)
{
	size_t size = req->size, align = req->align;
	bool reserved = req->reserved;
	void __percpu *ptr = alloc_unseen(req, result);

	if (READ_ONCE(pcpu_observer))
		pcpu_tell(&(struct pcpu_event){
			.kind = ptr ? PCPU_ALLOCATED : PCPU_ALLOC_FAILED,
			.ptr = ptr,
			.size = size,
			.align = align,
			.reserved = reserved,
			.caller = req->caller,
		});
	return ptr;
}

__noinline void __percpu *pcpu_try_alloc(size_t size, size_t align, bool reserved,
					 struct pcpu_result *result)
{
	struct request req = {
		.size = size, .align = align, .reserved = reserved, .caller = CALLER()};
	void __percpu *ptr = reserved ? NULL : pcpu_front_alloc(size, align, CALLER());

	if (ptr) {
		*result = (struct pcpu_result){.error = NULL};
		pcpu_where(ptr, &result->where);
		return ptr;
	}
	ptr = alloc_for(&req, result);
	if (ptr) {
		result->where = area_where(req.chunk, req.grant.offset, req.grant.length);
		result->where.offset = pcpu_ptr_to_addr(ptr) - (uintptr_t)req.chunk->base;
	}
	return ptr;
}

bool pcpu_free_locked(void __percpu *ptr, struct pcpu_result *result, bool *surplus)
{
	size_t offset, length = 0;
	struct pcpu_chunk *chunk = pcpu_chunk_of_area(ptr, &offset);
	enum front_state state = chunk ? pcpu_front_state(chunk, offset) : FRONT_NONE;

	*surplus = false;
	if (chunk &&
	    (state == FRONT_NONE || (state == FRONT_LIVE && pcpu_front_release(chunk, offset))))
		length = pcpu_engine->free(&chunk->space, offset);
	if (length == 0) {
		pcpu_where_locked(ptr, &result->where);
		pcpu_counters.bad_frees++;
		return false;
	}
	result->where = area_where(chunk, offset, length);
	pcpu_count_carved(chunk, -1, -length);
	pcpu_counters.frees += state == FRONT_NONE;
	pcpu_chunk_relocate(chunk);
	*surplus = chunk->space.free_size == chunk->space.span && pcpu_chunks_surplus();
	return true;
}

static void free_for(void __percpu *ptr, uintptr_t caller, struct pcpu_result *result)
{
	struct pcpu_event event = {.kind = PCPU_FREED, .ptr = ptr, .caller = caller};
	struct pcpu_finding finding = {""};
	bool freed, surplus = false;

	result->error = NULL;
	result->warned = false;
	result->text[0] = 0;
	if (!ptr)
		return;
	event.flags = port_lock();
	if (pcpu_guard_on)
		freed = pcpu_quarantine_add(ptr, caller, result, &finding);
	else
		freed = pcpu_free_locked(ptr, result, &surplus);
	if (freed)
		pcpu_tell(&event);
	port_unlock(event.flags);
	pcpu_report_damage(&finding, caller);
	if (pcpu_guard_on)
		pcpu_quarantine_shrink(GUARD_QUARANTINE_BYTES, caller);
	if (!freed) {
		pcpu_report_bad_free(ptr, result);
		event.kind = PCPU_FREE_REFUSED;
		pcpu_tell(&event);
	}
	if (surplus)
		port_reclaim_schedule();
}

__noinline void pcpu_try_free(void __percpu *ptr, struct pcpu_result *result)
{
	if (pcpu_front_on)
		pcpu_where(ptr, &result->where);
	if (!ptr || !pcpu_front_free(ptr, CALLER())) {
		free_for(ptr, CALLER(), result);
		return;
	}
	result->error = NULL;
	result->warned = false;
}

void __percpu *pcpu_alloc_slowly(size_t size, size_t align, bool reserved, uintptr_t caller)
{
	struct request req = {.size = size, .align = align, .reserved = reserved, .caller = caller};
	struct pcpu_result result;
	void __percpu *ptr = NULL;

	if (!reserved && READ_ONCE(pcpu_observer)) /* a hit is none while somebody is watching */
		ptr = pcpu_front_alloc(size, align, caller);
	if (ptr)
		return ptr;
	ptr = alloc_for(&req, &result);
	pcpu_report_warn(caller, reserved ? "alloc_reserved_percpu" : "alloc_percpu", &result);
	return ptr;
}

void __percpu *__alloc_reserved_percpu(size_t size, size_t align)
{
	return pcpu_alloc_slowly(size, align, true, CALLER());
}

void pcpu_free_slowly(void __percpu *ptr, uintptr_t caller)
{
	struct pcpu_result result;

	if (ptr && pcpu_front_free(ptr, caller))
		return; /* a hit, but somebody is watching */
	free_for(ptr, caller, &result);
	pcpu_report_warn(caller, "free_percpu", &result);
}
