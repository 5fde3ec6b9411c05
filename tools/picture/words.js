// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words and numbers: figures of a state, what an event did, what an area is.
 */
function bytesText(n) {
	if (n >= 1 << 20)
		return Math.round(n / (1 << 20) * 10) / 10 + " MiB";
	return n >= 1024 && n % 256 === 0 ? n / 1024 + " KiB" : n + " B";
}

const GROUPED = new Intl.NumberFormat("en-US");

function numberText(n) {
	return GROUPED.format(n);
}

function counted(n, thing) {
	return `${numberText(n)} ${thing}${n === 1 ? "" : "s"}`;
}

function ratio(a, b) {
	return b > 0 ? (a / b).toFixed(2) : "–";
}

/* ---- Figures: [key, name, value as text] of a state ---- */

function figuresOf(state) {
	const {unit, cpus} = state.events.facts, free = state.free();
	const populated = state.pages * PAGE_SIZE;

	return [
		["live", "live bytes", numberText(state.live), state.live],
		["areas", "live areas", numberText(state.nrAreas), state.nrAreas],
		["pages", "populated pages", `${state.pages} of ${state.units * unit / PAGE_SIZE}`, state.pages],
		["chunks", "chunks", String(state.chunks.size), state.chunks.size],
		["overhead", "populated ÷ live", ratio(populated, state.live), populated],
		["split", "free ÷ largest run", ratio(free.bytes, free.largest), free.largest],
		["free", "free bytes", numberText(free.bytes), free.bytes],
		["memory", `memory of ${counted(cpus, "CPU")}`, bytesText(populated * cpus), populated * cpus],
	];
}

/* ---- Words for an event ---- */

function changeText({what, args}) {
	if (what === PAGES)
		return "";
	return what === MADE ? `makes chunk ${args[0]}` : `reclaim destroys chunk ${args[0]}`;
}

function actText(events, n) {
	const what = events.what[n], area = events.areas[events.area[n]];

	if (what === FAILED) {
		const [size, align, , site] = events.facts.kinds[events.area[n]];

		return `${events.facts.sites[site]} gets no ${counted(size, "byte")} (align ${align}): out of memory`;
	}
	if (what === NOT_FREED)
		return "frees what it had not got";
	const place = `chunk ${area.chunk}, offset ${numberText(area.offset)}`;

	return what === ALLOC ? `${events.facts.sites[area.site]} allocates ${counted(area.size, "byte")}: ${place}`
		: `frees ${counted(area.size, "byte")} of ${events.facts.sites[area.site]}: ${place}`;
}

/* What event number n did; 0 is the start. */
function eventText(events, n) {
	if (n === 0)
		return "start: the first chunk, nothing allocated";
	const changes = events.changes.get(n - 1) ?? [];
	const populated = changes.filter(({what}) => what === PAGES)
		.reduce((sum, {args}) => sum + args[2] - args[1], 0);
	const gone = changes.some(({what}) => what === GONE);
	const words = [`CPU ${events.cpu[n - 1]}: ${actText(events, n - 1)}`, ...changes.map(changeText)];

	if (populated > 0)
		words.push(`${counted(populated, "page")} ${gone ? "given back" : "populated"}`);
	if (n > events.facts.events)
		words.push("after the trace, what it left is freed");
	return words.filter(Boolean).join(" · ");
}

/* ---- Words for what the mouse points at ---- */

/* run: what chunk.find gave for the offset; null if there is nothing. */
function runText({chunk, offset, run}) {
	if (!run)
		return "";
	const bytes = `${counted(run.length, "byte")} at offset ${numberText(run.offset)}`;
	const memory = chunk.pages[Math.floor(offset / PAGE_SIZE)] ? "" : "\nno memory under it yet";

	if (run.area === HEAD)
		return `static${chunk.flags & FLAG_RESERVED ? "" : " or reserved"}\n${bytes}`;
	return run.area === HOLE ? `free\n${bytes}${memory}` : areaText(chunk.state, run, bytes);
}

function areaText({events, at}, {area, length}, bytes) {
	const {site, size, align, flags, made, freed} = events.areas[area];
	const taken = length === size ? "" : `, of them ${numberText(size)} asked for`;
	const asked = {n: "must not sleep", i: "interrupts off", r: "reserved"};
	const context = [...flags].map((flag) => asked[flag]).filter(Boolean).join(", ");

	return `${events.facts.sites[site]}\n${bytes}${taken}\nalign ${align}${context && ", " + context}\n`
		+ `allocated by event ${numberText(made + 1)} on CPU ${events.cpu[made]}, `
		+ `${counted(at - made - 1, "event")} ago\nfreed by event ${numberText(freed + 1)}`;
}
