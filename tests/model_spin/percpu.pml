/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The allocator's locking as a Spin model: two threads that allocate and free, an interrupt handler
 * that frees, the reclaim worker. All orders of their steps are looked at, from every small state
 * that the set-up below can make.
 *
 *	here                     percpu/
 *	lock, unlock             port_lock, port_unlock (interrupts off, and back as they were)
 *	mutex_lock, mutex_unlock port_mutex_lock, port_mutex_unlock
 *	may_use_memory           pcpu_mem_alloc, pcpu_mem_free, port_page_*: what they assert
 *	list_del, list_add_*     kernel/list.h
 *	relocate                 pcpu_chunk_relocate in chunk.c
 *	try_chunk, search        try_chunk, search in search.c (list_for_each_entry_safe)
 *	grow_books               grow_books in search.c
 *	make_chunk               make_chunk in search.c, pcpu_chunk_create in chunk.c
 *	alloc                    alloc_for, serve in alloc.c, pcpu_find_area, pcpu_undo_area in search.c
 *	free_area                free_for, free_locked in alloc.c
 *	worker                   pcpu_reclaim in reclaim.c, pcpu_chunk_unlink_surplus in chunk.c
 *	sync                     pcpu_sync in reclaim.c
 *
 * A unit has three places, an area takes one to three of them; a chunk with no run of two free places
 * counts as full. Slot 0 holds full chunks, 1 those partly free, 2 those wholly free. Numbers of
 * chunks are never used twice, so that a use of a chunk that is gone shows. Each memory operation may
 * fail.
 *
 * What happens under the spinlock is one step here: that only the lock's holder touches lists and maps,
 * and with interrupts off, is asserted and not assumed.
 *
 * Properties: no chunk is lost (slots, tree and chunks in circulation are the same set), a chunk that
 * was unlinked or destroyed is not used, nothing sleeps or touches memory under the lock, pages and
 * chunks change under the mutex only, both locks are free and interrupts as they were at every way
 * out, no surplus chunk is forgotten, every request ends, no deadlock.
 *
 * Environment: PLANT, a number below, plants an error that has to be found. OTHERS says who runs beside
 * the first thread and the worker: 1 a second thread, 2 the handler, 3 both.
 */
#define P_NONE	   0
#define P_U1	   1  /* growing the books drops the lock, and the walk goes on where it was */
#define P_U2	   2  /* the old map is freed under the lock */
#define P_U3	   3  /* unlock turns interrupts on whatever they were */
#define P_U4	   4  /* reclaim lets go of the mutex before it takes the chunks apart */
#define P_U14	   5  /* growing the books lets go of the mutex: its chunk may be reclaimed */
#define P_U15	   6  /* a failed allocation leaves the mutex taken */
#define P_O5	   7  /* a chunk whose books cannot grow is not passed over */
#define P_O6	   8  /* a failed allocation that made a chunk does not wake the worker */
#define P_O23	   9  /* the worker is woken under the lock */
#define P_O29	   10 /* the walk reads the next chunk after the try has moved this one */
#define P_IRQS	   11 /* interrupts stay on under the lock */
#define P_ORDER	   12 /* reclaim takes the lock first, then the mutex */
#define P_SYNC	   13 /* waits for reclaim with the mutex held */
#define P_TREE	   14 /* reclaim leaves the chunk in the tree */
#define P_NOLOCK   15 /* free does not take the lock */
#define P_FORGET   16 /* free does not wake the worker */
#define P_NOUNDO   17 /* failed populate: the area stays in use */
#define P_UNDO	   18 /* failed populate: surplus that giving the area back leaves wakes nobody */
#define P_MADE	   19 /* a chunk made while another became free wakes nobody if it is not needed */

#define CAP    3 /* places of a unit */
#define NCH    3 /* chunks there can be, the first one among them */
#define HEAD(s) (NCH + (s))
#define ROOM   2 /* entries that a new map has room for */
#define OPS    1 /* of each thread */
#define FREES  2 /* of the interrupt handler */
#define NOBODY 255
#define ISR    3 /* who: the threads are 0 and 1, the worker 2, the handler on CPU 0 is 3 */
#define TRIES  8 /* searches one request may need: each map grows once, one chunk is made */

#define ABSENT	  0
#define CREATED	  1 /* has its memory, is not in circulation */
#define LIVE	  2 /* in circulation */
#define UNLINKED  3
#define DESTROYED 4

/* What the bits of places in use say. */
#define IN_USE(u)  (((u) & 1) + (((u) >> 1) & 1) + (((u) >> 2) & 1))
#define LONGEST(u) ((u) == 0 -> 3 : ((u) == 1 || (u) == 4 -> 2 : ((u) == 7 -> 0 : 1)))
#define FREE_RUNS(u) ((u) == 7 -> 0 : ((u) == 2 -> 2 : 1))
#define RIGHT_SLOT(c) \
	((CAP - IN_USE(chunk[c].used) < 2 || chunk[c].hint < 2) -> 0 : (chunk[c].used == 0 -> 2 : 1))
#define SURPLUS (next[HEAD(2)] != HEAD(2) && next[next[HEAD(2)]] != HEAD(2))

typedef chunk_type {
	byte state, used, hint, room, slot, areas;
	byte length[CAP]; /* of the area that starts there; 0: none does */
	bit handed_out[CAP];
	bit in_tree, populated, passed_over;
};

chunk_type chunk[NCH];
byte next[6], prev[6]; /* list nodes: chunks, then the heads of slots 0 to 2 */
byte mutex = NOBODY, spin = NOBODY;
bool irqs_on[3];
bool pending, running; /* reclaim */
byte maps;	       /* heap blocks that are maps */
byte done, plant, others;
bool ready;

/* ---- Locks ---- */

inline may_use_memory(me) { assert(spin != me && mutex == me) }

inline mutex_lock(me) { atomic { assert(spin != me); mutex == NOBODY -> mutex = me } }
inline mutex_unlock(me) { assert(mutex == me); mutex = NOBODY }

inline lock(me)
{
	atomic {
		spin == NOBODY -> spin = me;
		if
		:: me != ISR -> irqs_were = irqs_on[me]; irqs_on[me] = irqs_were && plant == P_IRQS
		:: else
		fi;
		assert(me == ISR || !irqs_on[me]) /* else a free in a handler here would wait for ever */
	}
}

inline unlock(me)
{
	atomic {
		check_lists();
		assert(spin == me);
		spin = NOBODY;
		if
		:: me != ISR -> irqs_on[me] = irqs_were || plant == P_U3
		:: else
		fi
	}
}

/* ---- Lists, slots ---- */

inline list_del(c) { next[prev[c]] = next[c]; prev[next[c]] = prev[c]; next[c] = c; prev[c] = c }

inline list_add(c, before, after)
{
	next[c] = after; prev[c] = before; next[prev[c]] = c; prev[next[c]] = c
}

inline relocate(me, c)
{
	assert(spin == me && chunk[c].state == LIVE);
	if
	:: RIGHT_SLOT(c) != chunk[c].slot ->
		list_del(c);
		if
		:: RIGHT_SLOT(c) > chunk[c].slot ->
			list_add(c, HEAD(RIGHT_SLOT(c)), next[HEAD(RIGHT_SLOT(c))])
		:: else -> list_add(c, prev[HEAD(RIGHT_SLOT(c))], HEAD(RIGHT_SLOT(c)))
		fi;
		chunk[c].slot = RIGHT_SLOT(c)
	:: else
	fi
}

/* No chunk is lost, none is where it does not belong. */
inline check_lists()
{
	d_step {
		i = 0;
		do
		:: i < NCH ->
			assert((chunk[i].state == LIVE) == chunk[i].in_tree);
			assert(next[prev[i]] == i && prev[next[i]] == i);
			if
			:: chunk[i].state == LIVE ->
				assert(chunk[i].slot == RIGHT_SLOT(i) && next[i] != i);
				assert(chunk[i].hint >= LONGEST(chunk[i].used))
			:: else -> assert(next[i] == i || chunk[i].state == UNLINKED)
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

/* ---- Allocation ---- */

#define FOUND	   1
#define BOOKS_FULL 2
#define NOT_FOUND  3

inline try_chunk(me)
{
	assert(spin == me && mutex == me && chunk[c].state == LIVE && chunk[c].slot == s);
	outcome = NOT_FOUND;
	if
	:: chunk[c].hint < size || chunk[c].passed_over
	:: else ->
		if
		:: chunk[c].areas + FREE_RUNS(chunk[c].used) + 1 > chunk[c].room -> outcome = BOOKS_FULL
		:: else ->
			off = 0;
			do
			:: off + size > CAP -> chunk[c].hint = LONGEST(chunk[c].used); break
			:: off + size <= CAP && (chunk[c].used & (((1 << size) - 1) << off)) == 0 ->
				was_last = (chunk[c].used >> off) == 0;
				chunk[c].used = chunk[c].used | (((1 << size) - 1) << off);
				chunk[c].length[off] = size;
				chunk[c].areas++;
				if
				:: was_last -> chunk[c].hint = LONGEST(chunk[c].used)
				:: else
				fi;
				outcome = FOUND;
				break
			:: else -> off++
			od;
			relocate(me, c)
		fi
	fi
}

/* From the place (s, c) on; after names the chunk that comes next. The lock is held. */
inline search(me)
{
	d_step {
		do
		:: s > 2 -> outcome = NOT_FOUND; break
		:: s <= 2 && c >= NCH ->
			assert(c == HEAD(s)); /* the walk has not run off its list */
			s++;
			if
			:: s <= 2 -> c = next[HEAD(s)]
			:: else
			fi
		:: s <= 2 && c < NCH ->
			after = next[c];
			try_chunk(me);
			if
			:: outcome != NOT_FOUND -> break
			:: else -> c = (plant == P_O29 -> next[c] : after)
			fi
		od
	}
}

inline start_search() { s = (size == CAP -> 2 : 1); c = next[HEAD(s)] }

/* The lock is free; comes back with it free. */
inline grow_books(me)
{
	if
	:: plant == P_U14 -> mutex_unlock(me); mutex_lock(me)
	:: else
	fi;
	if
	:: atomic { may_use_memory(me); chunk[c].passed_over = plant != P_O5 } /* no memory */
	:: atomic { may_use_memory(me); maps++ };
	   atomic {
		lock(me);
		assert(chunk[c].state == LIVE);
		chunk[c].room = CAP + 1;
		if
		:: plant == P_U2 -> may_use_memory(me)
		:: else
		fi;
		unlock(me)
	   };
	   atomic {
		may_use_memory(me);
		if
		:: c != 0 -> maps-- /* the first chunk's first map is static */
		:: else
		fi
	   }
	fi
}

inline make_chunk(me)
{
	atomic {
		may_use_memory(me);
		if
		:: skip /* no memory */
		:: chunk[1].state == ABSENT -> made = 1
		:: chunk[1].state != ABSENT && chunk[2].state == ABSENT -> made = 2
		fi;
		if
		:: made != NOBODY ->
			chunk[made].state = CREATED; chunk[made].room = ROOM; chunk[made].hint = CAP; maps++
		:: else
		fi
	};
	if
	:: made != NOBODY ->
		atomic {
			lock(me);
			chunk[made].state = LIVE;
			chunk[made].in_tree = 1;
			chunk[made].slot = 2;
			list_add(made, HEAD(2), next[HEAD(2)]);
			surplus = SURPLUS && plant != P_MADE;
			unlock(me)
		}
	:: else
	fi
}

inline schedule(me)
{
	atomic { assert(spin != me); pending = true }
}

inline undo_area(me)
{
	atomic {
		lock(me);
		assert(chunk[c].state == LIVE);
		if
		:: plant != P_NOUNDO ->
			chunk[c].used = chunk[c].used & ~(((1 << size) - 1) << off);
			chunk[c].length[off] = 0;
			chunk[c].areas--;
			chunk[c].hint = (chunk[c].hint > LONGEST(chunk[c].used) -> chunk[c].hint : LONGEST(chunk[c].used))
		:: else
		fi;
		relocate(me, c);
		surplus = surplus || (SURPLUS && plant != P_UNDO);
		unlock(me)
	}
}

inline alloc(me)
{
	mutex_lock(me);
	atomic {
		chunk[0].passed_over = 0; chunk[1].passed_over = 0; chunk[2].passed_over = 0;
		made = NOBODY; tries = 0; failed = false; resume = false
	};
	do
	:: atomic {
		lock(me);
		if
		:: resume -> c = after
		:: else -> start_search()
		fi;
		search(me);
		unlock(me);
		tries++;
		assert(tries <= TRIES)
	   };
	   if
	   :: outcome == FOUND -> break
	   :: outcome == BOOKS_FULL ->
		grow_books(me);
		resume = plant == P_U1
	   :: outcome == NOT_FOUND && made != NOBODY -> failed = true; break
	   :: outcome == NOT_FOUND && made == NOBODY ->
		make_chunk(me);
		if
		:: made == NOBODY -> failed = true; break
		:: else -> resume = false
		fi
	   fi
	od;
	if
	:: atomic {
		!failed ->
		may_use_memory(me); /* populate */
		if
		:: chunk[c].populated
		:: !chunk[c].populated -> chunk[c].populated = 1
		:: !chunk[c].populated -> failed = true
		fi
	   };
	   if
	   :: failed -> undo_area(me)
	   :: else
	   fi
	:: else
	fi;
	/* Zeroing: the area is there and has memory. */
	if
	:: failed && plant == P_U15
	:: failed && plant == P_SYNC -> sync(); mutex_unlock(me)
	:: else ->
		atomic {
			assert(failed || (chunk[c].state == LIVE && chunk[c].populated &&
					  chunk[c].length[off] == size));
			mutex_unlock(me)
		}
	fi;
	if
	:: !failed -> chunk[c].handed_out[off] = 1
	:: else
	fi;
	if
	:: (surplus || (failed && made != NOBODY)) && plant != P_O6 -> schedule(me)
	:: else
	fi;
	surplus = false
}

/* ---- Free ---- */

/* Takes some area that was handed out, if there is one: it belongs to the caller then. */
inline take_area()
{
	atomic {
		c = NOBODY;
		if
		:: chunk[0].handed_out[1] -> c = 0; off = 1
		:: chunk[0].handed_out[2] -> c = 0; off = 2
		:: chunk[1].handed_out[0] -> c = 1; off = 0
		:: chunk[1].handed_out[1] -> c = 1; off = 1
		:: chunk[1].handed_out[2] -> c = 1; off = 2
		:: chunk[2].handed_out[0] -> c = 2; off = 0
		:: chunk[2].handed_out[1] -> c = 2; off = 1
		:: chunk[2].handed_out[2] -> c = 2; off = 2
		:: else
		fi;
		if
		:: c != NOBODY -> chunk[c].handed_out[off] = 0
		:: else
		fi
	}
}

inline free_area(me)
{
	atomic {
		if
		:: plant != P_NOLOCK -> lock(me)
		:: else
		fi;
		assert(chunk[c].in_tree && chunk[c].state == LIVE && chunk[c].populated);
		assert(chunk[c].length[off] != 0);
		chunk[c].used = chunk[c].used & ~(((1 << chunk[c].length[off]) - 1) << off);
		chunk[c].length[off] = 0;
		chunk[c].areas--;
		chunk[c].hint = (chunk[c].hint > LONGEST(chunk[c].used) -> chunk[c].hint : LONGEST(chunk[c].used));
		relocate(me, c);
		surplus = chunk[c].used == 0 && SURPLUS;
		if
		:: surplus && plant == P_O23 -> schedule(me)
		:: else
		fi;
		unlock(me)
	};
	if
	:: surplus && plant != P_FORGET -> schedule(me)
	:: else
	fi;
	surplus = false
}

inline sync() { !pending && !running }

/* ---- Who runs ---- */

#define LOCALS \
	byte c, s, size, off, after, made, tries, outcome, i; \
	bool irqs_were, surplus, failed, was_last, resume

proctype thread(byte me)
{
	LOCALS;
	byte ops;

	do
	:: ops == OPS -> break
	:: ops < OPS ->
		ops++;
		if
		:: size = 1; alloc(me)
		:: size = 2; alloc(me)
		:: size = 3; alloc(me)
		:: take_area();
		   if
		   :: c != NOBODY ->
			if
			:: irqs_on[me] = false; free_area(me); assert(!irqs_on[me])
			:: free_area(me); assert(irqs_on[me])
			fi;
			irqs_on[me] = true
		   :: else
		   fi
		fi;
		assert(mutex != me && spin != me && irqs_on[me]);
		atomic { c = 0; s = 0; size = 0; off = 0; after = 0; made = 0; tries = 0; outcome = 0;
			 irqs_were = false; failed = false; was_last = false }
	od;
	sync();
	done++
}

/* Interrupts CPU 0, which goes on meanwhile as if it were another one. */
proctype handler()
{
	LOCALS;
	byte frees;

	do
	:: frees == FREES -> break
	:: atomic {
		frees < FREES && irqs_on[0] ->
		frees++;
		take_area()
	   };
	   if
	   :: c != NOBODY -> free_area(ISR)
	   :: else
	   fi;
	   c = 0; off = 0
	od;
	done++
}

#define WORKER 2

proctype worker()
{
	byte c, i;
	bool irqs_were;

end:	do
	:: atomic { pending -> pending = false; running = true };
	   if
	   :: plant == P_ORDER -> lock(WORKER); mutex_lock(WORKER)
	   :: else -> mutex_lock(WORKER)
	   fi;
	   do
	   :: atomic {
		lock(WORKER);
		assert(mutex == WORKER && spin == WORKER);
		c = next[HEAD(2)];
		c = next[c];
		if
		:: c < NCH ->
			assert(c != 0 && chunk[c].state == LIVE);
			list_del(c);
			chunk[c].in_tree = plant == P_TREE;
			chunk[c].state = UNLINKED
		:: else
		fi;
		unlock(WORKER)
	      };
	      if
	      :: c >= NCH -> break
	      :: else
	      fi
	   od;
	   if
	   :: plant == P_U4 -> mutex_unlock(WORKER)
	   :: else
	   fi;
	   c = 1;
	   do
	   :: c == NCH -> break
	   :: atomic {
		c < NCH ->
		if
		:: chunk[c].state == UNLINKED ->
			may_use_memory(WORKER);
			assert(chunk[c].used == 0 && next[c] == c);
			chunk[c].populated = 0;
			chunk[c].state = DESTROYED;
			maps--
		:: else
		fi;
		c++
	      }
	   od;
	   atomic { mutex_unlock(WORKER); c = 0; running = false }
	od
}

/* ---- From a state of every kind, to an end where the books are right ---- */

inline put_chunk(n, places)
{
	chunk[n].state = LIVE;
	chunk[n].in_tree = 1;
	chunk[n].used = places;
	chunk[n].room = ROOM;
	if
	:: n != 0 -> chunk[n].populated = places != 0; maps++
	:: else -> chunk[n].populated = 1
	fi;
	if
	:: chunk[n].hint = LONGEST(places)
	:: LONGEST(places) < 2 && places != 7 -> chunk[n].hint = CAP - 1 /* as an earlier state left it */
	fi;
	chunk[n].slot = RIGHT_SLOT(n);
	list_add(n, prev[HEAD(chunk[n].slot)], HEAD(chunk[n].slot))
}

inline put_area(n, at, size)
{
	chunk[n].length[at] = size; chunk[n].areas++; chunk[n].handed_out[at] = !(n == 0 && at == 0)
}

/* A chunk: not there, wholly free, an area at one end, an area in the middle, full. */
inline some_chunk(n)
{
	if
	:: skip
	:: put_chunk(n, 0)
	:: put_area(n, 0, 1); put_chunk(n, 1)
	:: put_area(n, 1, 1); put_chunk(n, 2)
	:: put_area(n, 0, 3); put_chunk(n, 7)
	fi
}

inline check_end()
{
	d_step {
		check_lists();
		assert(mutex == NOBODY && spin == NOBODY && !SURPLUS);
		c = 0;
		i = 0;
		do
		:: i < NCH ->
			assert(chunk[i].state != CREATED && chunk[i].state != UNLINKED);
			c = c + (chunk[i].state == LIVE && (i != 0 || chunk[i].room != ROOM) -> 1 : 0);
			off = 0;
			do
			:: off < CAP ->
				assert((chunk[i].length[off] != 0) ==
				       (chunk[i].handed_out[off] || (i == 0 && off == 0)));
				off++
			:: else -> break
			od;
			i++
		:: else -> break
		od;
		assert(c == maps)
	}
}

init {
	byte i, c, off;

	atomic {
		c_code {
			now.plant = getenv("PLANT") ? atoi(getenv("PLANT")) : 0;
			now.others = getenv("OTHERS") ? atoi(getenv("OTHERS")) : 3;
		};
		do
		:: i < 6 -> next[i] = i; prev[i] = i; i++
		:: else -> i = 0; break
		od;
		irqs_on[0] = true;
		irqs_on[1] = true;
		irqs_on[2] = true;
		put_area(0, 0, 1);
		if
		:: put_chunk(0, 1)
		:: put_area(0, 1, 2); put_chunk(0, 7)
		fi;
		some_chunk(1);
		if
		:: chunk[1].state != ABSENT -> some_chunk(2)
		:: else
		fi;
		if
		:: SURPLUS -> pending = true
		:: else
		fi;
		run thread(0);
		if
		:: others & 1 -> run thread(1)
		:: else -> done++
		fi;
		if
		:: others & 2 -> run handler()
		:: else -> done++
		fi;
		run worker()
	};
	done == 3 && !pending && !running -> check_end()
}
