#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The page of `make picture`, in a headless Chromium: what it shows is compared with a computation of its
own from the trace, with the allocator's own maps, and with the kernel's replay. Prints TAP.
"""
import atexit
import collections
import functools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tools"), os.path.join(ROOT, "tests", "runner")]
import browser  # noqa: E402
import picture  # noqa: E402
import session  # noqa: E402
import taptest  # noqa: E402

MOMENTS = [0, 1, 2, 100, 12345, 20854, 20855, 20856, 30000, 43038, 43039, 43040, 44947, 44948]
LIMIT = 3 << 20  # bytes of a page
FOLDER = tempfile.mkdtemp(prefix="percpu-traces.")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

# ---- Traces, pages, the browser: each made once ----


def odd_trace():
    """Sizes that leave slivers, every flag, call sites that are markup."""
    rng, live, lines = random.Random(4), [], ["# odd\r", "\t", ""]
    sites = ["</script><b>bold", "<img/src=x>", "a&amp;b", "plain"] + [f"site_{n}" for n in range(60)]
    for number in range(1500):
        if live and (rng.random() < 0.45 or number > 1300):
            lines.append(f"f {live.pop(rng.randrange(len(live)))} {rng.randrange(9)} {rng.choice('-i')}")
        elif number <= 1300:
            size, align = rng.choice([1, 2, 3, 5, 7, 60, 333, 1500]), rng.choice([1, 2, 4, 8, 64, 256])
            lines.append(f"a {number} {size} {align} {rng.randrange(9)} {rng.choice('--rni')} "
                         f"{rng.choice(sites)}")
            live.append(number)
    return "\n".join(lines)


def full_trace():
    """Asks for more than there is, twice; then frees what it got and what it did not get."""
    allocs = [f"a {n} 60000 8 {n % 4} - greedy" for n in range(40)]
    frees = [f"f {n} 1 -" for n in range(40)]
    return "\n".join(allocs + frees + allocs[:30]) + "\n"


def bundled(name):
    with open(os.path.join(ROOT, "tests", "traces", name + ".trace"), encoding="ascii") as file:
        return file.read()


# name: (trace, variables of make)
PAGES = {
    "test-pods": (lambda: bundled("pods"), {}),
    "test-page": (lambda: bundled("netns"),
                  {"SMP": 3, "CMDLINE": "percpu_alloc=page percpu_reserve=4K percpu_dyn=20K"}),
    "test-odd": (odd_trace, {"SMP": 3, "CMDLINE": "percpu_alloc=page percpu_reserve=8190 percpu_unit=96K"}),
    "test-full": (full_trace, {"SMP": 2, "MEM": "3M"}),
    "test-empty": (lambda: "# nothing\n", {}),
}


def trace_path(name, text):
    path = os.path.join(FOLDER, name + ".trace")
    with open(path, "w", encoding="ascii", newline="") as file:
        file.write(text)
    return path


def run_picture(**variables):
    return subprocess.run([os.path.join(ROOT, "tools", "picture.py")], cwd=ROOT, text=True, check=False,
                          env=session.environment(**variables), capture_output=True, timeout=60)


@functools.lru_cache(None)
def page_of(name):
    """(path of the page, the program's summary as a dictionary)"""
    text, variables = PAGES[name]
    done = run_picture(TRACE=trace_path(name, text()), **variables)
    assert done.returncode == 0, done.stderr
    summary, path = done.stdout.splitlines()
    assert path == f"build/picture/{name}.html", path
    return os.path.join(ROOT, path), dict(word.split("=") for word in summary.split())


@functools.lru_cache(None)
def shared_browser():
    started = browser.Browser()
    atexit.register(started.close)
    return started


def opened(name, hash_part=""):
    """The browser with that page, in its usual size."""
    shown = shared_browser()
    shown.size(1280, 1000)
    shown.scheme("light")
    shown.open(page_of(name)[0], hash_part)
    return shown


# ---- What is right ----


def options_of(name):
    return picture.layout(picture.machine.Options({k: str(v) for k, v in PAGES[name][1].items()}))


@functools.lru_cache(None)
def recorded(name):
    path = trace_path(name, PAGES[name][0]())
    return picture.record(path, options_of(name))


class Account:
    """Who holds how much after each event, from the trace's text and the list of those that failed."""

    def __init__(self, name):
        failed = {int(line.split()[1]) for line in recorded(name) if line.startswith("x ")}
        self.live, self.sites, self.bytes, number = {}, collections.Counter(), 0, 0
        self.steps = [(0, {})]  # after each event: live bytes, number of areas by site
        for line in PAGES[name][0]().split("\n"):
            words = line.split()
            if not words or line.startswith("#"):
                continue
            if words[0] == "a":
                if number not in failed:
                    self.add(words[1], int(words[2]), words[6])
                number += 1
            else:
                self.drop(words[1])
            self.steps.append((self.bytes, dict(+self.sites)))
        for key in list(self.live):
            self.drop(key)
            self.steps.append((self.bytes, dict(+self.sites)))

    def add(self, key, size, site):
        self.live[key] = (size, site)
        self.bytes += size
        self.sites[site] += 1

    def drop(self, key):
        size, site = self.live.pop(key, (0, ""))
        self.bytes -= size
        self.sites[site] -= 1


def maps_of(name, event):
    """{chunk: (its map, pages, free bytes)} as the allocator itself tells it after that many events."""
    path = trace_path(name, PAGES[name][0]())
    lines = picture.record(path, options_of(name) + [f"until={event}"])
    maps = {}
    for line in lines:
        if line.startswith("map="):
            text = line
        elif line.startswith("chunk="):
            number, free, pages = re.fullmatch(r"chunk=(\d+) free=(\d+) pages=(\d+)/\d+", line).groups()
            maps[int(number)] = (text, int(pages), int(free))
    return maps


# ---- What the page shows ----


def go(shown, event):
    shown.value(f"history.replaceState(null, '', '#'); location.hash = '#event={event}'")
    shown.until(f"document.getElementById('slider').value === '{event}'")


def shown_figures(shown):
    """{key: value} of the figures at the top."""
    return shown.value("""Object.fromEntries([...document.querySelectorAll("dd.now")]
        .map((field) => [field.id, Number(field.dataset.value)]))""")


def shown_sites(shown):
    """{site: areas} of the rows that have any."""
    rows = shown.value("""[...document.querySelectorAll("#sites tbody tr")].filter((row) => row.cells[1])
        .map((row) => [row.cells[0].textContent, Number(row.cells[1].textContent.replace(/,/g, ""))])""")
    return {site: areas for site, areas in rows if areas}


def shown_maps(shown):
    """{chunk: (map as text, pages, free bytes, areas)} of the drawn chunks."""
    shown.value("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    shown.until("[...document.querySelectorAll('details code')].every((code) => code.textContent)")
    rows = shown.value("""[...document.querySelectorAll("figure")].map((figure) => [figure.dataset.chunk,
        figure.querySelector("code").textContent, figure.dataset.pages, figure.dataset.free,
        figure.dataset.areas])""")
    return {int(chunk): (text, int(pages), int(free), int(areas))
            for chunk, text, pages, free, areas in rows}


def check_no_failure(shown):
    thrown = [told["exceptionDetails"].get("exception", told["exceptionDetails"])
              for told in shown.told("Runtime.exceptionThrown")]
    assert not thrown, thrown


# ---- Tests ----


def test_figures_are_the_traces_own_at_any_event():
    account, shown = Account("test-pods"), opened("test-pods")
    assert len(account.steps) == 44949, len(account.steps)
    for event in MOMENTS:
        go(shown, event)
        got, want = shown_figures(shown), account.steps[event]
        areas = sum(want[1].values())
        assert (got["live"], got["areas"]) == (want[0], areas), f"event {event}: {got}, want {want[0]}, {areas}"
        assert shown_sites(shown) == want[1], f"event {event}: {shown_sites(shown)}, want {want[1]}"
    assert account.steps[-1][0] == 0
    check_no_failure(shown)
    return f"{len(MOMENTS)} moments"


def check_maps(name, moments):
    shown = opened(name)
    for event in moments:
        go(shown, event)
        want, got, figures = maps_of(name, event), shown_maps(shown), shown_figures(shown)
        assert {n: chunk[:3] for n, chunk in got.items()} == want, \
            f"{name}, event {event}: the page has\n{got}\nthe allocator\n{want}"
        assert figures["chunks"] == len(want), f"event {event}: {figures}"
        assert figures["free"] == sum(free for _, _, free in want.values()), f"event {event}: {figures}"
        assert figures["areas"] == sum(areas for _, _, _, areas in got.values()), f"event {event}"
    check_no_failure(shown)


def test_maps_are_the_allocators_own():
    check_maps("test-pods", [0, 1, 3010, 20855, 36000, 44947, 44948])


def test_maps_of_single_pages_and_a_reserved_area():
    check_maps("test-page", [0, 500, 2905, 7000, 10549])


def test_maps_with_slivers():
    donated = sum(int(line.split()[5]) > 0 for line in recorded("test-odd") if line.startswith("a "))
    assert donated > 20, f"{donated} slivers are too few for a test"
    check_maps("test-odd", [1100, 10, 700, 1200, 350, 1000])
    return f"{donated} slivers"


def test_requests_that_fail_are_told():
    failed = int(page_of("test-full")[1]["failed"])
    assert failed > 10, f"{failed} failures are too few for a test"
    check_maps("test-full", [39, 0, 40, 80, 60, 110])
    shown = opened("test-full", "#event=40")
    assert "greedy gets no 60,000 bytes" in shown.value("element('what').textContent")
    assert f"{failed} failed" in shown.value("element('about').textContent")
    account = Account("test-full")
    for event in (15, 40, 79, 100, len(account.steps) - 1):
        go(shown, event)
        assert shown_figures(shown)["live"] == account.steps[event][0], event
    return f"{failed} failures"


def test_an_empty_trace_has_a_page():
    shown = opened("test-empty")
    assert shown_figures(shown)["live"] == 0 and shown_figures(shown)["chunks"] == 1
    shown.key("ArrowRight")
    assert shown.value("page.state.at") == 0
    check_no_failure(shown)


def test_peaks_and_first_chunk_are_those_of_the_kernels_replay():
    done = session.run(b"map 0\n", SMP=4, CMDLINE="selftest=none replay=pods percpu_engine=areamap")
    line = re.search(r"^replay=pods .*", done.stdout, re.M)
    assert line, done.stdout[-1000:] + done.stderr
    kernel, summary = dict(word.split("=") for word in line[0].split()), page_of("test-pods")[1]
    for key in ("events", "allocs", "frees", "failed", "peak_live_bytes", "peak_pages"):
        assert kernel[key] == summary[key], f"{key}: kernel {kernel[key]}, page {summary[key]}"
    shown = opened("test-pods", "#peak")
    assert str(shown_figures(shown)["live"]) == kernel["peak_live_bytes"], shown_figures(shown)
    assert shown.value("page.curves.maxPages") == int(kernel["peak_pages"])
    assert shown.value("element('live-peak').textContent") == f"{int(kernel['peak_live_bytes']):,}"
    go(shown, 0)
    first = shown_maps(shown)[0][0]
    assert first in done.stdout.replace("percpu> ", "").splitlines(), f"{first} is not in what the kernel printed:\n{done.stdout}"
    return f"{kernel['peak_live_bytes']} bytes, {kernel['peak_pages']} pages"


def fingerprint(shown):
    return shown_figures(shown), shown_sites(shown), shown_maps(shown)


def test_every_way_to_a_moment_shows_the_same():
    shown = opened("test-odd", "#event=900")
    want = fingerprint(shown)
    for start in (0, 899, 901, 1000, 1200):
        go(shown, start)
        go(shown, 900)
        assert fingerprint(shown) == want, f"from event {start}"
    shown = opened("test-pods", "#event=20855")
    want = fingerprint(shown)
    for start in (0, 20856, 24000, 44948):
        go(shown, start)
        go(shown, 20855)
        assert fingerprint(shown) == want, f"from event {start}"


def test_keys_move():
    shown = opened("test-pods", "#event=5000")
    moves = [("ArrowRight", 5001), ("ArrowLeft", 5000), ("ArrowUp", 5001), ("ArrowDown", 5000),
             ("PageUp", 5100), ("PageDown", 5000), ("Home", 0), ("ArrowLeft", 0), ("PageUp", 100),
             ("End", 44948), ("ArrowRight", 44948), ("p", 20855)]
    for focus in ("document.body", "element('slider')", "element('next')"):
        shown.value(f"{focus}.focus()")
        go(shown, 5000)
        for key, want in moves:
            shown.key(key)
            got = shown.value("[page.state.at, Number(element('slider').value), "
                              "Number(element('event').value)]")
            assert got == [want] * 3, f"{key} with focus on {focus}: {got}, want {want}"


def test_a_typed_event_is_gone_to():
    shown = opened("test-pods", "#event=7")
    shown.value("element('event').focus(); element('event').select()")
    for key in "1234":
        shown.call("Input.insertText", text=key)
    shown.key("Enter")
    shown.until("page.state.at === 1234")
    shown.key("ArrowRight")
    assert shown.value("page.state.at") == 1235


def test_play_runs_to_the_end_and_stops():
    shown = opened("test-odd", "#event=1100")
    shown.key(" ")
    shown.until("page.state.at === page.events.count && page.timer === 0")
    assert shown.value("element('play').textContent.trim()") == "Play"
    shown.key(" ")
    shown.until("page.state.at > 0 && page.state.at < page.events.count")
    shown.key(" ")
    assert shown.value("page.timer") == 0
    check_no_failure(shown)


def test_a_click_in_the_curves_moves_there():
    shown = opened("test-pods", "#event=0")
    x, y, width, height = shown.box("#chart")
    for part in (0.3, 0.5, 0.8):
        shown.click(x + width * part, y + height / 2)
        plot = (width * part - 58) / (width - 58 - 14)
        got, want = shown.value("page.state.at"), plot * 44948
        assert abs(got - want) < 44948 / 200, f"click at {part}: event {got}, want about {want:.0f}"
    cursor = shown.box("#cursor")[0]
    assert abs(cursor - (x + width * 0.8)) < 3, f"the cursor is at {cursor}"


def test_pointing_at_an_area_tells_whose_it_is():
    event, shown = 20855, opened("test-pods", "#event=20855")
    areas = [line.split() for line in recorded("test-pods") if line[0] in "afxn"][:event]
    live = {words[1]: (words, n + 1) for n, words in enumerate(areas) if words[0] == "a"}
    for words in areas:
        if words[0] == "f":
            del live[words[1]]
    requests = [line.split() for line in bundled("pods").split("\n") if line.startswith("a ")]
    for area in sorted(live, key=int)[::400]:
        (_, _, chunk, offset, length, _), made = live[area]
        size, align, cpu, site = [requests[int(area)][n] for n in (2, 3, 4, 6)]
        shown.mouse("mouseMoved", 1, 1)
        left, top, _, _ = shown.box(f"figure[data-chunk='{chunk}'] canvas")
        dx, dy, room = shown.value(f"""(() => {{
            let found;
            page.cards.get({chunk}).map.pieces({offset}, {int(offset) + 1}, (...place) => (found = place));
            return found;
        }})()""")
        shown.mouse("mouseMoved", left + dx + room * int(length) / 2 % 700, top + dy + 5)
        tip = shown.value("element('tip').hidden ? '' : element('tip').textContent")
        for part in (f"{site}\n", f"{int(length):,} bytes at offset {int(offset):,}\n", f"align {align}",
                     f"by event {made:,} on CPU {cpu}", f"{event - made:,} event"):
            assert part in tip, f"area {area} ({size} bytes): {part!r} is not in {tip!r}"
    shown.click(left + dx + room * int(length) / 2 % 700, top + dy + 5)
    assert shown.value("page.state.at") == made, "a click goes to the allocation"
    check_no_failure(shown)


def test_a_call_site_can_be_shown_alone():
    shown = opened("test-pods", "#event=20855")
    shot = "document.querySelector('figure canvas').toDataURL()"
    before = shown.value(shot)
    shown.value("document.querySelector('#sites button').focus()")
    shown.key("Enter")
    assert shown.value("document.querySelector('#sites button').getAttribute('aria-pressed')") == "true"
    assert shown.value(shot) != before, "the map is drawn as before"
    shown.key("Enter")
    assert shown.value(shot) == before, "the map is not drawn as before"


def test_call_sites_that_are_markup_are_text():
    shown = opened("test-odd", "#event=800")
    text = shown.value("document.getElementById('sites').textContent")
    assert "and 24 more" in text, text
    assert shown.value("document.querySelectorAll('b, img').length") == \
        shown.value("document.querySelectorAll('figcaption b, #row').length")
    assert shown.value("page.events.facts.sites.includes('</script><b>bold')")


def test_the_page_is_small_and_needs_nothing_else():
    path, _ = page_of("test-pods")
    size = os.path.getsize(path)
    assert size < LIMIT, f"{size} bytes"
    with open(path, encoding="utf-8") as file:
        text = file.read()
    strange = re.findall(r"https?:[^\s\"']*|\bsrc=|@import|\burl\(|<link\b", text)
    assert not strange, strange
    shown = opened("test-pods")
    asked = [told["request"]["url"] for told in shown.told("Network.requestWillBeSent")]
    assert asked == [f"file://{path}"], asked
    return f"{size} bytes"


def test_light_and_dark_narrow_and_wide():
    shown, grounds = opened("test-pods"), set()
    for scheme in ("light", "dark"):
        shown.scheme(scheme)
        grounds.add(shown.value("getComputedStyle(document.body).backgroundColor + page.theme.now.ink"))
        for width in (1600, 1280, 800, 400):
            shown.size(width, 900)
            shown.until(f"innerWidth === {width} && page.chart.width === element('chart-box').clientWidth")
            assert shown.value("document.documentElement.scrollWidth") <= width, f"wider than {width}"
            drawn = shown.value("[...document.querySelectorAll('canvas')].map((c) => [c.width, c.clientWidth])")
            assert all(a == b for a, b in drawn), f"at {width}: {drawn}"
    assert len(grounds) == 2, grounds
    check_no_failure(shown)


def test_all_has_a_name():
    shown = opened("test-pods")
    nameless = shown.value("""[...document.querySelectorAll("button, input, select, canvas, section, aside")]
        .filter((e) => !e.getAttribute("aria-label") && !e.textContent.trim() && !e.labels?.length)
        .map((e) => e.outerHTML)""")
    assert not nameless, nameless
    assert shown.value("[...document.querySelectorAll('canvas')].every((c) => c.role === 'img')")
    assert "185,672" in shown.value("element('chart').getAttribute('aria-label')")


def test_the_svg_is_the_same_moment():
    shown = opened("test-page", "#event=2905")
    text = shown.value("page.svg()")
    parsed = shown.value("""(() => {
        const svg = new DOMParser().parseFromString(page.svg(), "image/svg+xml");
        return [svg.documentElement.tagName, svg.querySelectorAll("path").length];
    })()""")
    assert parsed[0] == "svg" and parsed[1] > 20, parsed
    areas = {n: chunk[3] for n, chunk in shown_maps(shown).items()}
    for chunk, count in areas.items():
        assert f"chunk {chunk} after event 2,905: {count} area" in text, f"chunk {chunk}"
    assert len(text) < 300000, f"{len(text)} bytes"


def test_readme_shows_what_the_page_saves():
    def words(svg):
        """All its words; its figures follow the kernel's own per-CPU variables."""
        return [re.sub(r"[\d,.]+", "N", text) for text in re.findall(r"<text[^>]*>([^<]*)", svg)]

    with open(os.path.join(ROOT, "docs", "picture.svg"), encoding="utf-8") as file:
        shown = words(file.read())
    saved = words(opened("test-pods", "#event=20855").value("page.svg()"))
    assert saved == shown and len(shown) > 20, \
        f"docs/picture.svg: make picture, P, Save SVG, and put it in its place: {set(saved) ^ set(shown)}"


def test_errors_name_the_thing_and_the_way_out():
    bad = trace_path("bad", "# one\na 1 8 8 0 - f\na 2 8 7 0 - f\n")
    twice = trace_path("twice", "a 1 8 8 0 - f\nf 1 0 -\nf 1 0 -\n")
    cases = [({"TRACE": bad}, f"{bad}, line 3: ALIGN is not a power of two up to 4096. A line is "),
             ({"TRACE": twice}, f"{twice}, line 3: a free of an ID that is free already"),
             ({"TRACE": "nowhere.trace"}, "TRACE=nowhere.trace: there is no such file"),
             ({"TRACE": FOLDER}, f"TRACE={FOLDER}: there is no such file"),
             ({"CMDLINE": "percpu_engine=none"}, "percpu_engine=none: no such engine: use bitmap or areamap"),
             ({"CMDLINE": "percpu_alloc=none"}, "percpu_alloc=none: no such first-chunk allocator"),
             ({"CMDLINE": "percpu_unit=1X"}, "percpu_unit=1X: want a number"),
             ({"CMDLINE": "percpu_unit=4K"}, "panic: pcpu_setup_first_chunk: unit_size: below"),
             ({"CMDLINE": "percpu_debug"}, "percpu_debug: red zones are not drawn"),
             ({"SMP": "0"}, "cpus=0: no such option, or no value of it"),
             ({"MEM": "much"}, "MEM=much: want a number")]
    for variables, text in cases:
        done = run_picture(**variables)
        assert done.returncode == 1 and done.stdout == "", f"{variables}: {done}"
        assert done.stderr.startswith(f"picture: {text}"), f"{variables}: {done.stderr!r}, want {text!r}"
        assert done.stderr.count("\n") == 1, f"{variables}: {done.stderr!r}"


def test_make_takes_it_from_the_command_line():
    trace = trace_path("test-make", "a 1 100 8 0 - somebody\n")
    done = subprocess.run(["make", "picture", "TRACE=" + trace, "SMP=2"], cwd=ROOT, text=True, timeout=120,
                          capture_output=True, env=session.environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "build/picture/test-make.html", done.stdout
    shown = shared_browser()
    shown.open(os.path.join(ROOT, "build/picture/test-make.html"), "#event=1")
    assert shown_figures(shown)["live"] == 100 and shown_sites(shown) == {"somebody": 1}
    assert "2 CPUs" in shown.value("element('about').textContent")


if __name__ == "__main__":
    os.chdir(ROOT)
    taptest.main(globals())
