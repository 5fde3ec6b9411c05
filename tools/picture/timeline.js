// SPDX-License-Identifier: GPL-2.0-only
"use strict";
/*
 * The events, and the state after any number of them.
 *
 * Each event can be done and undone, so that a step either way is cheap; key frames, one in KEY_STEP
 * events, make a jump cheap. "Event n" is the state after n events; 0 is the start.
 */
const ALLOC = 0, FREE = 1, FAILED = 2, NOT_FREED = 3;
const WITH_CHANGES = 4, WITH_SLACK = 8, CPU_SHIFT = 4;
const MADE = 0, GONE = 1, PAGES = 2;
const FLAG_FIRST = 1, FLAG_RESERVED = 2, FLAG_IMMUTABLE = 4, FLAG_SHARES = 8;
const HEAD = -1, HOLE = -2; // in the place of an area's number
const PAGE_SIZE = 4096, KEY_STEP = 2048, MAX_SAMPLES = 2048;

/* Reads the numbers that tools/picture.py has packed. */
class Reader {
	constructor(base64) {
		const text = atob(base64);

		this.bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
		this.at = 0;
	}

	number() {
		let value = 0, scale = 1, byte;

		do {
			byte = this.bytes[this.at++];
			value += (byte & 127) * scale;
			scale *= 128;
		} while (byte > 127);
		return value;
	}
}

/* What never changes: events by number, areas by number. */
class Events {
	constructor(facts, base64) {
		const reader = new Reader(base64);

		this.facts = facts;
		this.count = facts.steps;
		this.what = new Uint8Array(this.count);
		this.cpu = new Uint16Array(this.count);
		this.area = new Int32Array(this.count); // of failed ones: the kind
		this.donated = new Map(); // event -> bytes that the area below got
		this.changes = new Map(); // event -> chunks and pages that came and went
		this.areas = [];
		this.made = new Map(); // chunk -> number, head, span, flags at its making
		this.start = this.readChanges(reader);
		for (let n = 0; n < this.count; n++)
			this.readEvent(reader, n);
		// What searches look at, in arrays of its own.
		this.offset = Int32Array.from(this.areas, (area) => area ? area.offset : 0);
		this.length = Int32Array.from(this.areas, (area) => area ? area.length : 0);
		this.gifts = new Map(); // area -> {event, bytes} of each sliver it was given
		this.receivers = new Map(); // event -> area, or HEAD, that got its sliver
	}

	readChanges(reader) {
		const fields = {[MADE]: 4, [GONE]: 1, [PAGES]: 3};

		return Array.from({length: reader.number()}, () => {
			const what = reader.number();
			const args = Array.from({length: fields[what]}, () => reader.number());

			if (what === MADE)
				this.made.set(args[0], args);
			return {what, args};
		});
	}

	readEvent(reader, n) {
		const tag = reader.number();

		this.what[n] = tag & 3;
		this.cpu[n] = tag >> CPU_SHIFT;
		if (this.what[n] === ALLOC)
			this.area[n] = this.readArea(reader, n, tag);
		else
			this.area[n] = reader.number();
		if (this.what[n] === FAILED)
			this.areas.push(null);
		if (this.what[n] === FREE)
			this.areas[this.area[n]].freed = n;
		if (tag & WITH_CHANGES)
			this.changes.set(n, this.readChanges(reader));
	}

	readArea(reader, n, tag) {
		const [size, align, flags, site] = this.facts.kinds[reader.number()];
		const chunk = reader.number(), offset = reader.number();
		const slack = tag & WITH_SLACK ? reader.number() : 0;
		const donated = tag & WITH_SLACK ? reader.number() : 0;

		if (donated > 0)
			this.donated.set(n, donated);
		this.areas.push({chunk, offset, size, align, flags, site, length: size + slack, made: n,
			freed: -1});
		return this.areas.length - 1;
	}

	/* Bytes that an area takes in its chunk's map after n events. */
	lengthOf(area, n) {
		let length = this.length[area];

		if (this.gifts.size === 0 || !this.gifts.has(area))
			return length;
		for (const gift of this.gifts.get(area))
			length += gift.event < n ? gift.bytes : 0;
		return length;
	}

	/* The bytes that event n gave to an area that was there already, or to the chunk's head. */
	give(n, area) {
		if (this.receivers.has(n))
			return;
		this.receivers.set(n, area);
		if (!this.gifts.has(area))
			this.gifts.set(area, []);
		this.gifts.get(area).push({event: n, bytes: this.donated.get(n)});
	}
}

/* A chunk as it is at the moment. */
class Chunk {
	constructor(state, id, head, span, flags) {
		this.state = state;
		this.id = id;
		this.head = head; // bytes that are static or another's
		this.span = span;
		this.flags = flags;
		this.areas = []; // numbers of the areas in use, by offset
		this.pages = new Uint8Array(Math.ceil(state.events.facts.unit / PAGE_SIZE));
		this.nrPages = 0;
		this.touch();
	}

	/* A new version number, for those who keep a drawing of it. */
	touch() {
		this.version = ++this.state.versions;
	}

	/* Index of the first area above offset. */
	above(offset) {
		const offsets = this.state.events.offset;
		let low = 0, high = this.areas.length;

		while (low < high) {
			const middle = (low + high) >> 1;

			if (offsets[this.areas[middle]] > offset)
				high = middle;
			else
				low = middle + 1;
		}
		return low;
	}

	flipPages(first, end) {
		for (let n = first; n < end; n++) {
			this.pages[n] ^= 1;
			this.nrPages += this.pages[n] ? 1 : -1;
		}
		this.touch();
	}

	/* Calls fn(offset, length, area) for each run, by offset; area may be HEAD or HOLE. */
	walk(fn) {
		const {events, at} = this.state;
		let end = this.head;

		if (this.head > 0)
			fn(0, this.head, HEAD);
		for (const area of this.areas) {
			const offset = events.offset[area], length = events.lengthOf(area, at);

			if (offset > end)
				fn(end, offset - end, HOLE);
			fn(offset, length, area);
			end = offset + length;
		}
		if (end < this.span)
			fn(end, this.span - end, HOLE);
	}

	/* The run that holds the byte at offset. */
	find(offset) {
		let found = null;

		this.walk((start, length, area) => {
			if (offset >= start && offset < start + length)
				found = {offset: start, length, area};
		});
		return found;
	}

	/* Free bytes, how many runs, the longest of them. */
	free() {
		const sum = {bytes: 0, runs: 0, largest: 0};

		this.walk((_offset, length, area) => {
			if (area !== HOLE)
				return;
			sum.bytes += length;
			sum.runs++;
			sum.largest = Math.max(sum.largest, length);
		});
		return sum;
	}

	/* The line of the monitor's command `map`. */
	text() {
		const entries = [];

		this.walk((_offset, length, area) => entries.push((area === HOLE ? "+" : "-") + length));
		return `map=${this.id} ${entries.join(" ")}`;
	}

	copy() {
		const copy = new Chunk(this.state, this.id, this.head, this.span, this.flags);

		copy.areas = this.areas.slice();
		copy.pages.set(this.pages);
		copy.nrPages = this.nrPages;
		return copy;
	}
}

/* The state after `at` events. */
class State {
	constructor(events) {
		const nrSites = events.facts.sites.length;

		this.events = events;
		this.versions = 0;
		this.at = 0;
		this.chunks = new Map(); // by number
		this.live = 0; // bytes asked for
		this.nrAreas = 0;
		this.pages = 0; // of one unit each; two chunks that share theirs count once
		this.siteBytes = new Float64Array(nrSites);
		this.siteAreas = new Float64Array(nrSites);
		this.keys = [];
		for (const change of events.start)
			this.change(change, true);
	}

	/* Chunks by number. */
	list() {
		return [...this.chunks.values()].sort((a, b) => a.id - b.id);
	}

	/* How many units a CPU has. */
	get units() {
		return this.list().filter(({flags}) => !(flags & FLAG_SHARES)).length;
	}

	free() {
		return this.list().map((chunk) => chunk.free()).reduce((sum, one) => ({
			bytes: sum.bytes + one.bytes,
			runs: sum.runs + one.runs,
			largest: Math.max(sum.largest, one.largest),
		}), {bytes: 0, runs: 0, largest: 0});
	}

	chunkOf(area) {
		return this.chunks.get(this.events.areas[area].chunk);
	}

	count(area, sign) {
		const {size, site} = this.events.areas[area];

		this.live += sign * size;
		this.nrAreas += sign;
		this.siteBytes[site] += sign * size;
		this.siteAreas[site] += sign;
	}

	insert(area) {
		const chunk = this.chunkOf(area);

		chunk.areas.splice(chunk.above(this.events.offset[area]), 0, area);
		chunk.touch();
		this.count(area, 1);
	}

	remove(area) {
		const chunk = this.chunkOf(area);

		chunk.areas.splice(chunk.above(this.events.offset[area]) - 1, 1);
		chunk.touch();
		this.count(area, -1);
	}

	/* Event n's area leaves bytes below itself that are too few to be a run. */
	donate(n, sign) {
		const {events} = this, bytes = sign * (events.donated.get(n) ?? 0);

		if (bytes === 0)
			return;
		const chunk = this.chunkOf(events.area[n]);
		const below = chunk.above(events.offset[events.area[n]] - 1) - 1;

		events.give(n, below < 0 ? HEAD : chunk.areas[below]);
		if (below < 0)
			chunk.head += bytes;
	}

	change({what, args}, forward) {
		if (what === PAGES)
			this.flipPages(this.chunks.get(args[0]), args[1], args[2]);
		else if ((what === MADE) === forward)
			this.chunks.set(args[0], new Chunk(this, ...this.events.made.get(args[0])));
		else
			this.chunks.delete(args[0]);
	}

	flipPages(chunk, first, end) {
		const before = chunk.nrPages;

		chunk.flipPages(first, end);
		if (!(chunk.flags & FLAG_SHARES))
			this.pages += chunk.nrPages - before;
	}

	/* The event's own change of areas. */
	act(n, forward) {
		const {events} = this, what = events.what[n];

		if (what === ALLOC && forward)
			this.insert(events.area[n]);
		else if (what === ALLOC || (what === FREE && forward))
			this.remove(events.area[n]);
		else if (what === FREE)
			this.insert(events.area[n]);
	}

	/* A chunk goes after the event's area has left it, and is there before it comes back. */
	do() {
		const n = this.at++, changes = this.events.changes.get(n) ?? [];

		for (const change of changes.filter(({what}) => what !== GONE))
			this.change(change, true);
		this.act(n, true);
		this.donate(n, 1);
		for (const change of changes.filter(({what}) => what === GONE))
			this.change(change, true);
	}

	undo() {
		const n = --this.at, changes = (this.events.changes.get(n) ?? []).slice().reverse();

		for (const change of changes.filter(({what}) => what === GONE))
			this.change(change, false);
		this.donate(n, -1);
		this.act(n, false);
		for (const change of changes.filter(({what}) => what !== GONE))
			this.change(change, false);
	}

	/* Goes to the state after n events. */
	seek(n) {
		const key = this.keys[Math.min(Math.round(n / KEY_STEP), this.keys.length - 1)];

		if (key && Math.abs(n - key.at) + KEY_STEP < Math.abs(n - this.at))
			this.restore(key);
		while (this.at < n)
			this.do();
		while (this.at > n)
			this.undo();
	}

	/* A copy of all that changes. */
	snapshot() {
		return {
			at: this.at, live: this.live, nrAreas: this.nrAreas, pages: this.pages,
			siteBytes: this.siteBytes.slice(), siteAreas: this.siteAreas.slice(),
			chunks: new Map([...this.chunks].map(([id, chunk]) => [id, chunk.copy()])),
		};
	}

	restore(key) {
		Object.assign(this, key, {
			siteBytes: key.siteBytes.slice(), siteAreas: key.siteAreas.slice(),
			chunks: new Map([...key.chunks].map(([id, chunk]) => [id, chunk.copy()])),
		});
	}
}

/*
 * What the curves show, by event, and by sample: one event in `stride`. Fills the state's key frames on
 * its way, and leaves the state at the end.
 */
class Curves {
	constructor(state) {
		const count = state.events.count;

		this.count = count;
		this.stride = Math.ceil((count + 1) / MAX_SAMPLES);
		this.live = new Float64Array(count + 1);
		this.pages = new Uint32Array(count + 1);
		this.units = new Uint32Array(count + 1);
		this.samples = []; // {sites: bytes by site, split: see below}
		this.peak = 0; // the first event after which most bytes are live
		for (;;) {
			this.take(state);
			if (state.at === count)
				break;
			state.do();
		}
		this.maxPages = this.pages.reduce((a, b) => Math.max(a, b), 0);
		this.maxUnits = this.units.reduce((a, b) => Math.max(a, b), 0);
	}

	take(state) {
		const n = state.at;

		this.live[n] = state.live;
		this.pages[n] = state.pages;
		this.units[n] = n > 0 && !state.events.changes.has(n - 1) ? this.units[n - 1] : state.units;
		if (state.live > this.live[this.peak])
			this.peak = n;
		if (n % this.stride === 0)
			this.samples.push({sites: state.siteBytes.slice(), split: splitOf(state.free())});
		if (n % KEY_STEP === 0)
			state.keys.push(state.snapshot());
	}
}

/* The share of the free bytes that the largest free run has not got: 0 if they are in one piece. */
function splitOf(free) {
	return free.bytes > 0 ? 1 - free.largest / free.bytes : 0;
}
