// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drawing: the curves and the chunks' maps, on a canvas or as SVG by the same steps.
 */
const NR_COLOURS = 12; // call sites with a colour of their own; the others share one
const CHART = {left: 58, right: 14, top: 22, plot: 190, gap: 26, strip: 40, bottom: 20};
const MAP = {left: 44, right: 2, top: 2, maxRows: 32};
const FONT = "11px system-ui, sans-serif";

/* Colours by name, as the style sheet has them for light or dark. */
function readTheme() {
	const style = getComputedStyle(document.documentElement);
	const get = (name) => style.getPropertyValue("--" + name).trim();
	const names = ["ink", "muted", "grid", "panel", "free", "head", "pages", "units", "rest", "mark"];

	return {
		...Object.fromEntries(names.map((name) => [name, get(name)])),
		sites: Array.from({length: NR_COLOURS}, (_, n) => get("site" + n)),
	};
}

/* ---- What is drawn on ---- */

class CanvasPainter {
	detail = 1; // points of a curve for each pixel

	/* width and height in CSS pixels. */
	constructor(canvas, width, height) {
		const scale = window.devicePixelRatio || 1;

		canvas.width = Math.round(width * scale);
		canvas.height = Math.round(height * scale);
		canvas.style.height = height + "px";
		this.context = canvas.getContext("2d");
		this.context.setTransform(scale, 0, 0, scale, 0, 0);
	}

	rect(x, y, width, height, fill, alpha = 1) {
		this.context.globalAlpha = alpha;
		this.context.fillStyle = fill;
		this.context.fillRect(x, y, width, height);
		this.context.globalAlpha = 1;
	}

	frame(x, y, width, height, stroke, weight = 1) {
		this.context.strokeStyle = stroke;
		this.context.lineWidth = weight;
		this.context.strokeRect(x, y, width, height);
	}

	/* points: [x, y] pairs. */
	shape(points, {fill, stroke, weight = 1, dash = [], alpha = 1}) {
		const {context} = this;

		context.globalAlpha = alpha;
		context.beginPath();
		points.forEach(([x, y]) => context.lineTo(x, y));
		context.setLineDash(dash);
		context.lineWidth = weight;
		if (fill) {
			context.fillStyle = fill;
			context.fill();
		}
		if (stroke) {
			context.strokeStyle = stroke;
			context.stroke();
		}
		context.setLineDash([]);
		context.globalAlpha = 1;
	}

	text(x, y, words, fill, align = "left") {
		this.context.font = FONT;
		this.context.fillStyle = fill;
		this.context.textAlign = align;
		this.context.fillText(words, x, y);
	}
}

class SvgPainter {
	detail = 0.25;

	constructor() {
		this.parts = [];
		this.rects = new Map(); // what they look like -> their path, so that many are one element
	}

	static number(n) {
		return String(Math.round(n * 10) / 10);
	}

	/* As lines of that width: half the text of four sides. */
	rect(x, y, width, height, fill, alpha = 1) {
		const n = SvgPainter.number;
		const key = `stroke="${fill}" stroke-width="${n(height)}" stroke-opacity="${alpha}"`;

		this.rects.set(key, `${this.rects.get(key) ?? ""}M${n(x)} ${n(y + height / 2)}h${n(width)}`);
	}

	/* Puts the rectangles collected so far below what follows. */
	flush() {
		for (const [key, path] of this.rects)
			this.parts.push(`<path ${key} d="${path}"/>`);
		this.rects.clear();
	}

	frame(x, y, width, height, stroke, weight = 1) {
		this.shape([[x, y], [x + width, y], [x + width, y + height], [x, y + height], [x, y]],
			{stroke, weight});
	}

	shape(points, {fill, stroke, weight = 1, dash = [], alpha = 1}) {
		this.flush();
		this.parts.push(`<path fill="${fill ?? "none"}" stroke="${stroke ?? "none"}" `
			+ `stroke-width="${weight}" stroke-dasharray="${dash.join(" ")}" `
			+ `opacity="${alpha}" d="${SvgPainter.path(points)}"/>`);
	}

	/* By differences, which have fewer digits. */
	static path(points) {
		const tenths = points.map((point) => point.map((n) => Math.round(n * 10)));
		const from = (n) => tenths[n - 1] ?? [0, 0];

		return tenths.map(([x, y], n) => `${n ? "l" : "M"}${(x - from(n)[0]) / 10} ${(y - from(n)[1]) / 10}`)
			.join("");
	}

	text(x, y, words, fill, align = "left") {
		const anchor = {left: "start", center: "middle", right: "end"}[align];
		const safe = words.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

		this.flush();
		this.parts.push(`<text x="${SvgPainter.number(x)}" y="${SvgPainter.number(y)}" fill="${fill}" `
			+ `text-anchor="${anchor}">${safe}</text>`);
	}

	/* The parts as one file's text; space: SVG's namespace. */
	file(width, height, space) {
		this.flush();
		return `<svg xmlns="${space}" viewBox="0 0 ${width} ${height}" `
			+ `font-family="system-ui, sans-serif" font-size="11">${this.parts.join("")}</svg>\n`;
	}
}

/* A part of another drawing, moved by dx and dy. */
class MovedPainter {
	constructor(painter, dx, dy) {
		this.painter = painter;
		this.dx = dx;
		this.dy = dy;
	}

	rect(x, y, ...rest) {
		this.painter.rect(x + this.dx, y + this.dy, ...rest);
	}

	frame(x, y, ...rest) {
		this.painter.frame(x + this.dx, y + this.dy, ...rest);
	}

	shape(points, style) {
		this.painter.shape(points.map(([x, y]) => [x + this.dx, y + this.dy]), style);
	}

	text(x, y, ...rest) {
		this.painter.text(x + this.dx, y + this.dy, ...rest);
	}
}

/* ---- Scales ---- */

/* The smallest of the steps of which at most `count` make `most`. */
function niceStep(most, count, steps) {
	return steps.find((step) => most / step <= count) ?? steps[steps.length - 1];
}

const EVENT_STEPS = Array.from({length: 10}, (_, n) => [1, 2, 5].map((k) => k * 10 ** n)).flat();
const BYTE_STEPS = Array.from({length: 40}, (_, n) => 2 ** n);

/* ---- The curves ---- */

class Chart {
	constructor(events, curves, colourOf) {
		this.events = events;
		this.curves = curves;
		this.colourOf = colourOf;
		this.most = Math.max(curves.live[curves.peak], curves.maxPages * PAGE_SIZE,
			curves.maxUnits * events.facts.unit, 1);
	}

	get height() {
		return CHART.top + CHART.plot + CHART.gap + CHART.strip + CHART.bottom;
	}

	resize(width) {
		this.width = width;
		this.span = Math.max(width - CHART.left - CHART.right, 1);
	}

	x(n) {
		return CHART.left + n / Math.max(this.curves.count, 1) * this.span;
	}

	/* The event under x, within what there is. */
	eventAt(x) {
		const n = Math.round((x - CHART.left) / this.span * this.curves.count);

		return Math.min(Math.max(n, 0), this.curves.count);
	}

	y(bytes) {
		return CHART.top + CHART.plot * (1 - bytes / (this.most * 1.06));
	}

	draw(painter, theme, highlight) {
		this.drawGrid(painter, theme);
		this.drawRest(painter, theme);
		this.drawSites(painter, highlight);
		this.drawLine(painter, this.curves.units, this.events.facts.unit,
			{stroke: theme.units, weight: 1.5, dash: [5, 3]});
		this.drawLine(painter, this.curves.pages, PAGE_SIZE, {stroke: theme.pages, weight: 2});
		this.drawLine(painter, this.curves.live, 1, {stroke: theme.ink, weight: 1});
		this.drawSplit(painter, theme);
		this.drawPeak(painter, theme);
	}

	drawGrid(painter, theme) {
		const step = niceStep(this.most, 5, BYTE_STEPS), right = CHART.left + this.span;
		const every = niceStep(this.curves.count, Math.max(this.span / 110, 1), EVENT_STEPS);
		const below = this.height - CHART.bottom;

		for (let bytes = 0; bytes <= this.most; bytes += step) {
			painter.rect(CHART.left, this.y(bytes), this.span, 1, theme.grid);
			painter.text(CHART.left - 6, this.y(bytes) + 4, bytes ? bytesText(bytes) : "0",
				theme.muted, "right");
		}
		for (let n = 0; n <= this.curves.count; n += every) {
			painter.rect(this.x(n), below, 1, 4, theme.muted);
			painter.text(this.x(n), below + 15, numberText(n), theme.muted,
				this.x(n) > right - 20 ? "right" : "center");
		}
	}

	/* What follows the trace: what it left is freed. */
	drawRest(painter, theme) {
		const x = this.x(this.events.facts.events), width = CHART.left + this.span - x;

		if (this.curves.count === this.events.facts.events)
			return;
		painter.rect(x, CHART.top, width, this.height - CHART.top - CHART.bottom, theme.muted, 0.14);
		if (width > 30)
			painter.text(x + width / 2, CHART.top + CHART.plot + 14, "freed", theme.muted, "center");
	}

	/* Call sites on each other, those with a colour of their own below; or one of them alone. */
	drawSites(painter, highlight) {
		const {samples} = this.curves;
		const low = new Float64Array(samples.length);

		for (const group of this.colourOf.groups) {
			const high = low.map((y, n) => group.reduce((sum, s) => sum + samples[n].sites[s], y));

			this.drawBand(painter, low, high, this.colourOf(group[0]), highlight < 0 ? 1 : 0.2);
			low.set(high);
		}
		if (highlight >= 0)
			this.drawBand(painter, new Float64Array(samples.length),
				samples.map(({sites}) => sites[highlight]), this.colourOf(highlight), 1);
	}

	drawBand(painter, low, high, fill, alpha) {
		const upper = this.points(painter, high), lower = this.points(painter, low);

		painter.shape([...upper, ...lower.reverse()], {fill, alpha});
	}

	/* Where a curve of bytes by sample goes, in no more points than the painter wants. */
	points(painter, bytes) {
		const last = bytes.length - 1, step = Math.ceil(last / (this.span * painter.detail)) || 1;
		const at = (n) => [this.x(Math.min(n * this.curves.stride, this.curves.count)), this.y(bytes[n])];
		const points = [];

		for (let n = 0; n < last; n += step)
			points.push(at(n));
		points.push(at(last));
		return points;
	}

	/* A line through the most of each pixel's events. */
	drawLine(painter, values, scale, style) {
		const step = Math.max(this.curves.count / (this.span * painter.detail), 1), points = [];

		for (let from = 0; from <= this.curves.count; from += step) {
			const end = Math.min(Math.ceil(from + step), this.curves.count + 1);
			let most = 0;

			for (let n = Math.floor(from); n < end; n++)
				most = Math.max(most, values[n]);
			points.push([this.x(from), this.y(most * scale)]);
		}
		points.push([this.x(this.curves.count), this.y(values[this.curves.count] * scale)]);
		painter.shape(points, style);
	}

	/* How split the free bytes are, in the strip below. */
	drawSplit(painter, theme) {
		const bottom = this.height - CHART.bottom, {samples, stride, count} = this.curves;
		const points = samples.map(({split}, n) => [this.x(Math.min(n * stride, count)),
			bottom - split * CHART.strip]);

		painter.rect(CHART.left, bottom - CHART.strip, this.span, 1, theme.grid);
		painter.rect(CHART.left, bottom, this.span, 1, theme.grid);
		painter.shape([[this.x(0), bottom], ...points, [points[points.length - 1][0], bottom]],
			{fill: theme.mark, alpha: 0.25});
		painter.shape(points, {stroke: theme.mark});
		painter.text(CHART.left - 6, bottom - CHART.strip + 6, "100 %", theme.muted, "right");
		painter.text(CHART.left - 6, bottom + 2, "0", theme.muted, "right");
		painter.text(CHART.left, bottom - CHART.strip - 6,
			"fragmentation: free bytes that are not in the largest free run", theme.muted);
	}

	drawPeak(painter, theme) {
		const {peak, live} = this.curves, x = this.x(peak), y = this.y(live[peak]);
		const right = x < CHART.left + this.span / 2;

		painter.shape([[x, CHART.top - 4], [x, CHART.top + CHART.plot]],
			{stroke: theme.mark, dash: [2, 3]});
		painter.shape([[x - 4, y - 9], [x + 4, y - 9], [x, y - 1]], {fill: theme.mark});
		painter.text(x + (right ? 6 : -6), CHART.top - 8,
			`peak: ${numberText(live[peak])} bytes live after event ${numberText(peak)}`,
			theme.mark, right ? "left" : "right");
	}
}

/* ---- A chunk's map: a row is a page, or so many pages that the rows stay few ---- */

class ChunkMap {
	constructor(chunk, width) {
		this.rowBytes = PAGE_SIZE * Math.ceil(chunk.pages.length / MAP.maxRows);
		this.rows = Math.ceil(chunk.span / this.rowBytes);
		this.row = this.rows > 20 ? 8 : 11;
		this.width = width;
		this.scale = Math.max(width - MAP.left - MAP.right, 1) / this.rowBytes;
	}

	get height() {
		return MAP.top + this.rows * this.row + 2;
	}

	/* The offset under a point of the drawing; -1 if there is none. */
	offsetAt(x, y) {
		const row = Math.floor((y - MAP.top) / this.row);
		const byte = Math.floor((x - MAP.left) / this.scale);

		if (row < 0 || row >= this.rows || byte < 0 || byte >= this.rowBytes)
			return -1;
		return row * this.rowBytes + byte;
	}

	/* Calls fn(x, y, width) for each row's piece of the bytes [offset, end). */
	pieces(offset, end, fn) {
		while (offset < end) {
			const row = Math.floor(offset / this.rowBytes);
			const stop = Math.min(end, (row + 1) * this.rowBytes);

			fn(MAP.left + (offset - row * this.rowBytes) * this.scale, MAP.top + row * this.row,
				(stop - offset) * this.scale);
			offset = stop;
		}
	}

	fill(painter, offset, length, colour, alpha) {
		this.pieces(offset, offset + length, (x, y, width) =>
			painter.rect(x, y, width > 2.5 ? width - 0.6 : width, this.row - 1, colour, alpha));
	}

	draw(painter, theme, chunk, colourOf, highlight) {
		const siteOf = (area) => chunk.state.events.areas[area].site;

		this.drawLabels(painter, theme);
		this.drawPages(painter, theme, chunk);
		chunk.walk((offset, length, area) => {
			if (area === HEAD)
				this.fill(painter, offset, length, theme.head, highlight < 0 ? 1 : 0.35);
			else if (area !== HOLE)
				this.fill(painter, offset, length, colourOf(siteOf(area)),
					highlight < 0 || highlight === siteOf(area) ? 1 : 0.15);
		});
	}

	drawLabels(painter, theme) {
		for (let row = 0; row < this.rows; row += 4)
			painter.text(MAP.left - 6, MAP.top + row * this.row + this.row - 2,
				row ? row * this.rowBytes / 1024 + "K" : "0", theme.muted, "right");
	}

	/* A page with memory is filled, one without is an empty frame. */
	drawPages(painter, theme, chunk) {
		chunk.pages.forEach((populated, n) => {
			const end = Math.min((n + 1) * PAGE_SIZE, chunk.span);

			this.pieces(n * PAGE_SIZE, end, (x, y, width) => {
				if (populated)
					painter.rect(x, y, width, this.row - 1, theme.free);
				else
					painter.frame(x + 0.5, y + 0.5, width - 1, this.row - 2, theme.grid);
			});
		});
	}

	/* A frame around bytes, large enough to be seen. */
	mark(painter, theme, offset, length) {
		this.pieces(offset, offset + length, (x, y, width) => {
			const room = Math.max(width, 4);

			painter.frame(x + (width - room) / 2 - 1.5, y - 1.5, room + 3, this.row + 2, theme.ink, 2);
		});
	}
}
