// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page: what is shown of the moment that the slider stands at, and the ways to move it.
 */
const PLAY = "M1 0L10 5L1 10Z", STOP = "M1 1H9V9H1Z";
const THUMB = 16; // pixels of the slider's thumb: its middle is on the curve's event
const MANY_CHUNKS = 4; // from here on, maps stand side by side
const MAX_LISTED_SITES = 40;

const element = (id) => document.getElementById(id);

function make(name, parent, text = "", className = "") {
	const made = document.createElement(name);

	made.textContent = text;
	if (className)
		made.className = className;
	parent.append(made);
	return made;
}

/* Site -> colour, with the sites that hold most over the whole trace first. */
function colours(facts, curves, theme) {
	const held = facts.sites.map((_, site) => curves.samples.reduce((sum, {sites}) => sum + sites[site], 0));
	const order = held.map((_, site) => site).sort((a, b) => held[b] - held[a] || a - b);
	const rank = new Map(order.map((site, n) => [site, n]));
	const colourOf = (site) => theme.now.sites[rank.get(site)] ?? theme.now.rest;
	const own = order.slice(0, NR_COLOURS).map((site) => [site]), rest = order.slice(NR_COLOURS);

	colourOf.order = order;
	colourOf.groups = rest.length ? [...own, rest] : own;
	return colourOf;
}

/* ---- The page ---- */

class Page {
	constructor(facts, packed) {
		this.events = new Events(facts, packed);
		this.state = new State(this.events);
		this.curves = new Curves(this.state);
		this.theme = {now: readTheme()};
		this.colourOf = colours(facts, this.curves, this.theme);
		this.chart = new Chart(this.events, this.curves, this.colourOf);
		this.chosen = -1; // the site that is shown alone, or -1
		this.cards = new Map(); // chunk -> what shows it
		this.timer = 0;
		this.state.seek(this.curves.peak);
		this.peakFigures = figuresOf(this.state);
		this.build(facts);
		this.listen();
		this.resize();
		this.goToHash();
	}

	build(facts) {
		element("name").textContent = facts.name;
		element("about").textContent = `${numberText(facts.events)} per-CPU allocations and frees on `
			+ `${counted(facts.cpus, "CPU")} · units of ${bytesText(facts.unit)}, ${numberText(facts.static)} bytes `
			+ `static · first chunk ${facts.alloc} · engine ${facts.engine}`
			+ (facts.failed ? ` · ${numberText(facts.failed)} failed` : "");
		element("slider").max = this.events.count;
		for (const [key, name, text] of this.peakFigures) {
			const box = make("div", element("figures"));

			make("dt", box, name);
			make("dd", box, "", "now").id = key;
			make("dd", box, text, "peak").id = `${key}-peak`;
		}
		this.rows = this.colourOf.order.slice(0, MAX_LISTED_SITES).map((site) => this.siteRow(site));
		if (facts.sites.length > MAX_LISTED_SITES)
			make("td", make("tr", element("sites").tBodies[0]),
				`and ${facts.sites.length - MAX_LISTED_SITES} more`);
	}

	siteRow(site) {
		const row = make("tr", element("sites").tBodies[0]);
		const button = make("button", make("td", row));
		const swatch = make("i", button);

		make("span", button, this.events.facts.sites[site]);
		button.setAttribute("aria-pressed", "false");
		button.addEventListener("click", () => this.choose(this.chosen === site ? -1 : site));
		return {site, row, button, swatch, areas: make("td", row), bytes: make("td", row)};
	}

	/* ---- Showing ---- */

	go(n) {
		this.state.seek(Math.min(Math.max(Math.round(n), 0), this.events.count));
		this.show();
	}

	show() {
		const n = this.state.at;

		element("slider").value = n;
		element("slider").setAttribute("aria-valuetext", `event ${n} of ${this.events.count}`);
		if (document.activeElement !== element("event"))
			element("event").value = n;
		element("cursor").style.left = this.chart.x(n) + "px";
		element("what").setAttribute("aria-live", this.timer ? "off" : "polite");
		element("what").textContent = eventText(this.events, n);
		for (const [key, , text, value] of figuresOf(this.state)) {
			element(key).textContent = text;
			element(key).dataset.value = value;
		}
		this.showSites();
		this.showMaps();
		this.keepHash();
	}

	showSites() {
		for (const {site, row, areas, bytes} of this.rows) {
			areas.textContent = numberText(this.state.siteAreas[site]);
			bytes.textContent = numberText(this.state.siteBytes[site]);
			row.classList.toggle("none", this.state.siteAreas[site] === 0);
		}
	}

	showMaps() {
		const chunks = this.state.list();

		for (const [id, card] of this.cards) {
			if (!this.state.chunks.has(id)) {
				card.figure.remove();
				this.cards.delete(id);
			}
		}
		const cards = chunks.map((chunk) => this.cards.get(chunk.id) ?? this.card(chunk));

		element("maps").className = chunks.length > MANY_CHUNKS ? "many" : "";
		if (this.mapsOf !== chunks.length) // the width is asked for only when it may have changed
			this.mapWidth = cards.length ? cards[0].figure.clientWidth : 0;
		this.mapsOf = chunks.length;
		chunks.forEach((chunk, n) => this.showMap(cards[n], chunk));
	}

	/* What shows a chunk, in its place among the others. */
	card(chunk) {
		const figure = document.createElement("figure"), caption = make("figcaption", figure);
		const flags = [[FLAG_FIRST, "first"], [FLAG_RESERVED, "reserved"], [FLAG_IMMUTABLE, "immutable"]]
			.filter(([flag]) => chunk.flags & flag).map(([, name]) => name).join(", ");
		const next = [...this.cards.values()].find(({id}) => id > chunk.id);

		make("b", caption, `chunk ${chunk.id}`);
		const card = {id: chunk.id, figure, words: make("span", caption), canvas: make("canvas", figure)};

		make("span", caption, flags);
		card.canvas.setAttribute("role", "img");
		card.details = make("details", figure);
		make("summary", card.details, `as the monitor's "map ${chunk.id}" has it`);
		card.code = make("code", card.details);
		card.details.addEventListener("toggle", () => this.showMapText(card));
		this.listenToMap(card);
		element("maps").insertBefore(figure, next ? next.figure : null);
		this.cards.set(chunk.id, card);
		this.cards = new Map([...this.cards].sort(([a], [b]) => a - b));
		return card;
	}

	showMap(card, chunk) {
		const marked = this.markedIn(chunk);
		const drawn = [chunk.version, this.mapWidth, marked?.join(), this.chosen, this.theme.version].join();

		if (card.drawn === drawn)
			return;
		card.drawn = drawn;
		this.captionMap(card, chunk);
		card.map = new ChunkMap(chunk, this.mapWidth);
		const painter = new CanvasPainter(card.canvas, this.mapWidth, card.map.height);

		card.map.draw(painter, this.theme.now, chunk, this.colourOf, this.chosen);
		if (marked)
			card.map.mark(painter, this.theme.now, ...marked);
		element("row").textContent = bytesText(card.map.rowBytes);
		this.showMapText(card);
	}

	captionMap(card, chunk) {
		const free = chunk.free();
		const words = `${counted(chunk.areas.length, "area")} · ${chunk.nrPages} of ${chunk.pages.length} pages`
			+ ` · ${counted(free.bytes, "byte")} free in ${counted(free.runs, "run")}, `
			+ `largest ${numberText(free.largest)}`;

		card.words.textContent = words;
		card.canvas.setAttribute("aria-label", `Map of chunk ${chunk.id}: ${words}`);
		Object.assign(card.figure.dataset, {chunk: chunk.id, areas: chunk.areas.length,
			pages: chunk.nrPages, free: free.bytes, largest: free.largest});
	}

	showMapText(card) {
		card.code.textContent = card.details.open ? this.state.chunks.get(card.id)?.text() ?? "" : "";
	}

	/* Offset and length of what the last event touched, if that was in this chunk. */
	markedIn(chunk) {
		const n = this.state.at - 1, what = n >= 0 ? this.events.what[n] : FAILED;
		const area = this.events.area[n];

		if ((what !== ALLOC && what !== FREE) || this.events.areas[area].chunk !== chunk.id)
			return null;
		return [this.events.offset[area], this.events.lengthOf(area, n + 1)];
	}

	drawChart() {
		const width = element("chart-box").clientWidth, canvas = element("chart");

		this.chart.resize(width);
		this.chart.draw(new CanvasPainter(canvas, width, this.chart.height), this.theme.now, this.chosen);
		canvas.setAttribute("aria-label", "Live bytes by call site, populated pages and chunks over "
			+ `${numberText(this.events.count)} events; the peak of ${numberText(this.curves.live[this.curves.peak])}`
			+ ` live bytes is after event ${numberText(this.curves.peak)}`);
		element("slider").style.marginLeft = CHART.left - THUMB / 2 + "px";
		element("slider").style.width = this.chart.span + THUMB + "px";
	}

	resize() {
		for (const {site, swatch} of this.rows)
			swatch.style.background = this.colourOf(site);
		this.drawChart();
		this.mapsOf = -1;
		this.show();
	}

	choose(site) {
		this.chosen = site;
		for (const row of this.rows) {
			row.row.classList.toggle("chosen", row.site === site);
			row.button.setAttribute("aria-pressed", String(row.site === site));
		}
		this.drawChart();
		this.show();
	}

	/* ---- Moving ---- */

	listen() {
		const click = (id, fn) => element(id).addEventListener("click", fn);

		click("start", () => this.go(0));
		click("back", () => this.go(this.state.at - 1));
		click("next", () => this.go(this.state.at + 1));
		click("end", () => this.go(this.events.count));
		click("peak", () => this.go(this.curves.peak));
		click("play", () => this.toggle());
		click("save", () => this.save());
		element("slider").addEventListener("input", () => this.go(Number(element("slider").value)));
		element("event").addEventListener("change", () => this.goToTyped());
		document.addEventListener("keydown", (event) => this.key(event));
		window.addEventListener("hashchange", () => this.goToHash());
		window.addEventListener("resize", () => this.resize());
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
			this.theme = {now: Object.assign(this.theme.now, readTheme()), version: performance.now()};
			this.resize();
		});
		this.listenToChart();
	}

	key(event) {
		const steps = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -100, PageUp: 100};
		const moves = {Home: 0, End: this.events.count, p: this.curves.peak, P: this.curves.peak};
		const typing = /^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== "range";

		if (event.ctrlKey || event.altKey || event.metaKey || typing)
			return;
		if (event.key in steps)
			this.go(this.state.at + steps[event.key]);
		else if (event.key in moves)
			this.go(moves[event.key]);
		else if (event.key === " " && event.target.tagName !== "BUTTON" && event.target.tagName !== "SUMMARY")
			this.toggle();
		else
			return;
		event.preventDefault();
	}

	goToTyped() {
		const typed = element("event").value.replace(/[, ]/g, "");

		element("event").blur();
		if (/^\d+$/.test(typed))
			this.go(Number(typed));
		else
			this.show();
	}

	/* #event=N or #peak in the address. */
	goToHash() {
		const hash = location.hash.match(/^#(?:event=(\d+)|(peak))$/);

		if (hash)
			this.go(hash[2] ? this.curves.peak : Number(hash[1]));
	}

	/* The address names the moment, once it stays. */
	keepHash() {
		clearTimeout(this.hashTimer);
		this.hashTimer = setTimeout(() => history.replaceState(null, "", `#event=${this.state.at}`), 400);
	}

	toggle() {
		const playing = this.timer !== 0;

		cancelAnimationFrame(this.timer);
		this.timer = 0;
		if (!playing) {
			if (this.state.at === this.events.count)
				this.go(0);
			this.playFrom = {time: performance.now(), at: this.state.at};
			this.timer = requestAnimationFrame((time) => this.frame(time));
		}
		element("play").querySelector("path").setAttribute("d", playing ? PLAY : STOP);
		element("play").querySelector("span").textContent = playing ? "Play" : "Stop";
		this.show();
	}

	/* A moment moved by hand while it plays is where it goes on. */
	frame(time) {
		const speed = Number(element("speed").value), from = this.playFrom;
		const due = Math.floor(Math.max(time - from.time, 0) / 1000 * speed);

		if (speed !== from.speed || this.state.at !== from.shown) {
			this.playFrom = {time, at: this.state.at, speed, shown: this.state.at};
		} else {
			this.go(from.at + due);
			from.shown = this.state.at;
		}
		if (this.state.at < this.events.count)
			this.timer = requestAnimationFrame((next) => this.frame(next));
		else
			this.toggle();
	}

	/* ---- Pointing ---- */

	tip(event, words) {
		const tip = element("tip");

		tip.hidden = !words;
		if (!words)
			return;
		tip.textContent = words;
		const right = event.clientX + 16 + tip.offsetWidth > innerWidth;
		const low = event.clientY + 16 + tip.offsetHeight > innerHeight;

		tip.style.left = Math.max(right ? event.clientX - 12 - tip.offsetWidth : event.clientX + 16, 0) + "px";
		tip.style.top = Math.max(low ? event.clientY - 12 - tip.offsetHeight : event.clientY + 16, 0) + "px";
	}

	listenToChart() {
		const chart = element("chart"), at = (event) => this.chart.eventAt(event.offsetX);

		chart.addEventListener("pointerdown", (event) => {
			chart.setPointerCapture(event.pointerId);
			this.go(at(event));
		});
		chart.addEventListener("pointermove", (event) => {
			const n = at(event);

			if (event.buttons & 1)
				this.go(n);
			this.tip(event, `event ${numberText(n)}\n${numberText(this.curves.live[n])} bytes live\n`
				+ `${this.curves.pages[n]} pages, ${bytesText(this.curves.pages[n] * PAGE_SIZE)}, in `
				+ `${this.curves.units[n]} units`);
		});
		chart.addEventListener("pointerleave", (event) => this.tip(event, ""));
	}

	listenToMap(card) {
		const under = (event) => {
			const chunk = this.state.chunks.get(card.id);
			const offset = card.map ? card.map.offsetAt(event.offsetX, event.offsetY) : -1;

			return {chunk, offset, run: chunk && offset >= 0 ? chunk.find(offset) : null};
		};

		card.canvas.addEventListener("pointermove", (event) => this.tip(event, runText(under(event))));
		card.canvas.addEventListener("pointerleave", (event) => this.tip(event, ""));
		card.canvas.addEventListener("click", (event) => {
			const {run} = under(event);

			if (run && run.area >= 0)
				this.go(this.events.areas[run.area].made + 1);
		});
	}

	/* ---- Saving ---- */

	/* The curves and all maps at this moment, as the text of an SVG file. */
	svg(width = 1000) {
		const painter = new SvgPainter(), theme = this.theme.now, chunks = this.state.list();
		const maps = chunks.map((chunk) => new ChunkMap(chunk, width)), chart = this.chart;
		let y = this.svgSites(null, width, chart.height + 20) + 16;
		const height = maps.reduce((sum, map) => sum + map.height + 24, y);

		painter.rect(0, 0, width, height, theme.panel);
		chart.resize(width);
		chart.draw(painter, theme, this.chosen);
		this.svgSites(painter, width, chart.height + 20);
		painter.rect(chart.x(this.state.at) - 1, CHART.top, 2, chart.height - CHART.top - CHART.bottom, theme.ink);
		chunks.forEach((chunk, n) => {
			painter.text(MAP.left, y + 12, `chunk ${chunk.id} after event ${numberText(this.state.at)}: `
				+ `${counted(chunk.areas.length, "area")}, ${counted(chunk.nrPages, "page")}`, theme.ink);
			maps[n].draw(new MovedPainter(painter, 0, y + 18), theme, chunk, this.colourOf, this.chosen);
			y += maps[n].height + 24;
		});
		chart.resize(element("chart-box").clientWidth);
		return painter.file(width, height, document.querySelector("svg").namespaceURI);
	}

	/* The sites that have a colour, in lines; without a painter, only measures. Returns the end's y. */
	svgSites(painter, width, y) {
		let x = CHART.left;

		for (const [site, ...others] of this.colourOf.groups) {
			const name = others.length ? `${others.length + 1} others` : this.events.facts.sites[site];
			const room = 24 + name.length * 6.6;

			if (x + room > width && x > CHART.left) {
				x = CHART.left;
				y += 16;
			}
			painter?.rect(x, y - 9, 10, 10, this.colourOf(site));
			painter?.text(x + 14, y, name, this.theme.now.muted);
			x += room;
		}
		return y;
	}

	save() {
		const link = document.createElement("a");

		link.href = URL.createObjectURL(new Blob([this.svg()], {type: "image/svg+xml"}));
		link.download = `${this.events.facts.name}-${this.state.at}.svg`;
		link.click();
		URL.revokeObjectURL(link.href);
	}
}

window.addEventListener("error", (event) => {
	make("p", document.body, `This page failed: ${event.message}`).id = "failure";
});
const page = new Page(JSON.parse(element("facts").textContent), element("packed").textContent);
