// The viewer: films of a gallery's draw in a room of their own. What it shows of one film at a time comes from
// FilmPane (film_canvas.js) in a Pane (viewer_pane.js), what it knows of a film from the signed addresses in `data`.
// The page's address holds the film and its window; it is brought up to date after the reader rests, and nothing else
// goes to the server.

const ROOMS = new WeakMap();
const REST_MS = 350, ECHO_MS = 10_000, MOST_PANES = 4, BLANKS_NAMED = 20;
const GLYPHS = { positive: "+", uncertain: "?", negative: "−" };
const KEYS = [
  ["← →", "previous, next film of the draw"], ["i", "invert"],
  ["drag", "window (across) and level (down)"], ["r", "rotate by a quarter"],
  ["wheel, + −", "zoom"], ["0, space", "reset"],
  ["shift or middle drag", "pan"], ["1 – 4", "full range, lung, mediastinum, bone"],
  ["double click", "film pixels one to one, and back"], ["5", "the file's own windows in turn"],
  ["t", "three windows side by side"], ["m", "masks and boxes"],
  ["s", "all films of the study side by side"], ["l", "labels"],
  ["shift click below", "another film of the patient beside this one"], ["d", "details"],
  ["u", "ruler: drag from point to point"], ["Backspace", "take the last line away"],
  ["f", "full screen"], ["p", "the patient's films"],
  ["?", "this list"], ["Esc", "back to the gallery"],
];
const KEY_NOTE = "Lung, mediastinum and bone are percentile windows of the film's own interior: radiographs have no " +
  "absolute units. A preset stays for the next film; a window set by hand, an inversion or a turn does not.";

class Room {
  constructor(root) {
    const find = (name) => root.querySelector(name);
    Object.assign(this, {
      root, dialog: find(".viewer"), room: find(".room"), stage: find(".stage"), films: [], current: null, panes: [],
      mode: "one", beside: null, preset: "", masks: true, labels: true, details: true, strip: true, ruling: false,
      heard: null, sent: [],
    });
    this.opacity = Number(find(".opacity").value) / 100;
    for (const name of ["place", "presets", "said", "strip", "patient", "toast"]) this[`${name}Box`] = find(`.${name}`);
    for (const name of ["labels", "legend", "report", "details"]) this[`${name}Box`] = find(`.side .${name}`);
    this.helpBox = find(".room > .help");
    this.buildPresets();
    this.buildHelp();
    this.listen();
  }

  buildPresets() {
    const named = [["Full range", "1"], ["Lung", "2"], ["Mediastinum", "3"], ["Bone", "4"], ["File's own", "5"]];
    this.presetsBox.append(...named.map(([name, key]) => {
      const button = node("button", "", name);
      button.dataset.act = `preset${key}`;
      button.append(node("kbd", "", key));
      return button;
    }));
  }

  buildHelp() {
    const list = node("dl");
    for (const [key, does] of KEYS) list.append(node("dt", "", key), node("dd", "", does));
    this.helpBox.append(node("h3", "", "Keys"), list, node("p", "", KEY_NOTE));
  }

  get active() { return this.panes.find((pane) => pane.figure.classList.contains("active")) || this.panes[0]; }
  get main() { return this.panes[0]; }
  get isOpen() { return this.dialog.open; }

  // What the server sends: the draw, and the film and window that the page's address names.
  receive(data) {
    const told = JSON.parse(data.text);
    this.films = told.films;
    this.dialog.classList.toggle("presentation", told.presentation);
    const wanted = told.opened ? told.opened.link : null;
    const isNews = wanted !== this.heard && !this.isEcho(wanted);
    this.heard = wanted;
    if (isNews && !wanted && this.isOpen) this.shut();
    else if (isNews && wanted && wanted !== this.current?.link) this.open(told.opened, told.window);
    if (this.isOpen) this.writePlace();
  }

  // The server repeats what it was told, late and not always all of it; only what it says by itself is news.
  isEcho(link) {
    const now = performance.now();
    this.sent = this.sent.filter((one) => now - one.at < ECHO_MS);
    const at = this.sent.findIndex((one) => one.link === link);
    if (at >= 0) this.sent.splice(0, at + 1);
    return at >= 0;
  }

  willEcho(link) { this.sent.push({ link, at: performance.now() }); }

  open(entry, window) {
    if (!this.isOpen) {
      this.mode = "one";
      this.dialog.showModal();
      this.room.focus();
    }
    this.current = entry;
    this.beside = null;
    if (this.mode === "beside") this.mode = "one";
    this.asked = window ? windowTone(window[0], window[1]) : null;
    this.dialog.dataset.link = entry.link;
    this.lay();
    this.writeFacts(null);
    this.writePlace();
  }

  // Which films stand side by side, and how each begins.
  slots() {
    const film = this.current, preset = (name) => (loaded) => loaded.presets.find((tone) => tone.name === name);
    if (this.mode === "three") return ["Full range", "Lung", "Mediastinum"].map((name) => [film, preset(name)]);
    const known = this.main?.entry === film ? this.main.facts?.mates || [] : [];
    const others = this.mode === "study" ? known : this.mode === "beside" ? [this.beside] : [];
    return [film, ...others].slice(0, MOST_PANES).map((one) => [one, (loaded) => this.choose(loaded, one === film)]);
  }

  choose(film, isMain) {
    const asked = isMain && this.asked;
    if (asked) {
      this.asked = null;
      const near = (a, b) => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b));
      const same = (tone) => !tone.shades && near(tone.center, asked.center) && near(tone.width, asked.width);
      return [...film.own, ...film.presets].find(same) || asked;
    }
    if (isMain && this.kept?.film === film) return this.kept.tone;
    return film.presets.find((tone) => tone.name === this.preset) || startTone(film);
  }

  lay() {
    const wanted = this.slots();
    while (this.panes.length > wanted.length) this.panes.pop().destroy();
    while (this.panes.length < wanted.length) {
      const pane = new Pane(this);
      this.panes.push(pane);
      this.stage.append(pane.figure);
    }
    const several = wanted.length > 1;
    this.stage.classList.toggle("several", several);
    if (!this.active.figure.classList.contains("active")) this.main.figure.classList.add("active");
    const linked = this.mode === "three" ? this.panes.map((pane) => pane.film) : [];
    this.panes.forEach((pane) => { pane.film.linked = linked; });
    const windows = this.mode === "three" || this.laid === "three";
    this.laid = this.mode;
    wanted.forEach(([entry, choose], at) => {
      const pane = this.panes[at];
      if (windows || pane.entry !== entry || !pane.film.film) pane.load(entry, choose).then(() => this.ahead());
    });
    this.writeTools();
  }

  // When what is asked for is there, fetch what may be asked for next.
  ahead() {
    if (this.panes.some((pane) => pane.figure.classList.contains("waiting"))) return;
    const at = this.at(), near = at < 0 ? [] : [this.films[at + 1], this.films[at - 1], this.films[at + 2]];
    const mates = this.main?.facts?.mates || [];
    CACHE.prefetch([...near.slice(0, 2), ...mates, near[2]].filter(Boolean).map((entry) => entry.pixels));
    for (const entry of near.filter(Boolean)) factsOf(entry);
  }

  at() { return this.films.findIndex((entry) => entry.image === this.current?.image); }

  step(by) {
    const at = this.at(), next = at < 0 ? this.films[0] : this.films[at + by];
    if (!next) return this.say(by > 0 ? "The last film of this draw" : "The first film of this draw");
    this.open(next);
    this.tell();
  }

  activate(pane) {
    for (const other of this.panes) other.figure.classList.toggle("active", other === pane);
    this.writeTools();
  }

  toned(pane, done) {
    if (pane === this.main && this.mode !== "three") this.preset = "";
    this.writeTools();
    if (done && pane === this.main && this.mode !== "three") this.tell();
  }

  informed(pane) {
    if (pane !== this.main) return;
    this.writeFacts(pane.facts);
    this.writeTools();
    if (this.mode === "study" && this.panes.length !== this.slots().length) this.lay();
    this.ahead();
  }

  choosePreset(key) {
    const pane = this.active, film = pane?.film.film;
    if (!film) return;
    let tone = film.presets[key - 1];
    if (key === 5) {
      if (!film.own.length) return this.say("This file has no window of its own: full range is shown.");
      const at = film.own.findIndex((one) => sameTone(one, pane.film.tone));
      tone = film.own[(at + 1) % film.own.length];
    }
    pane.film.setTone(tone);
    pane.write();
    if (this.mode !== "three") this.preset = key === 5 ? "" : tone.name;
    this.writeTools();
    if (pane === this.main && this.mode !== "three") this.tell();
  }

  setMode(mode) {
    if (mode === "study" && !(this.main?.facts?.mates || []).length) {
      return this.say(this.main?.facts ? "No other film of this study is known." : "Loading …");
    }
    if (mode === "three" && this.mode !== "three") this.kept = { film: this.main.film.film, tone: this.main.film.tone };
    this.mode = this.mode === mode ? "one" : mode;
    this.beside = null;
    this.lay();
  }

  act(name) {
    const film = this.active?.film, loaded = film?.film;
    const acts = {
      previous: () => this.step(-1), next: () => this.step(1),
      invert: () => { if (loaded) film.setInvert(!film.invert); },
      rotate: () => { if (loaded) film.rotate(); },
      ruler: () => this.rule(!this.ruling),
      unline: () => this.active?.ruler.undo(),
      reset: () => this.reset(),
      bigger: () => film?.zoomBy(1.25), smaller: () => film?.zoomBy(0.8),
      three: () => this.setMode("three"), study: () => this.setMode("study"),
      masks: () => { this.masks = !this.masks; this.panes.forEach((pane) => pane.layer()); },
      labels: () => { this.labels = !this.labels; },
      details: () => { this.details = !this.details; },
      patient: () => { this.strip = !this.strip; this.writeStrip(this.main?.facts); },
      full: () => this.fullScreen(),
      help: () => { this.helpBox.hidden = !this.helpBox.hidden; },
      close: () => this.close(),
    };
    if (name.startsWith("preset")) this.choosePreset(Number(name.slice(6)));
    else acts[name]?.();
    this.active?.write();
    this.writeTools();
  }

  rule(on) {
    this.ruling = on;
    for (const pane of this.panes) pane.ruler.on = on;
    if (on) this.say("Drag from point to point. Two lines also give their ratio.");
  }

  reset() {
    const pane = this.active;
    if (!pane?.film.film) return;
    pane.film.reset();
    pane.ruler.clear();
    if (this.mode !== "three") this.preset = "";
    if (pane === this.main) this.tell();
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.room.requestFullscreen?.().catch(() => this.say("This browser does not allow full screen here."));
  }

  // Esc undoes the last step into the room, then leaves it.
  escape() {
    if (!this.helpBox.hidden) this.helpBox.hidden = true;
    else if (this.ruling) this.act("ruler");
    else if (this.mode !== "one") this.setMode(this.mode);
    else this.close();
  }

  shut() {
    clearTimeout(this.resting);
    if (document.fullscreenElement) document.exitFullscreen();
    const ref = this.current?.ref;
    this.current = this.kept = null;
    while (this.panes.length) this.panes.pop().destroy();
    this.helpBox.hidden = true;
    this.dialog.close();
    if (ref) window.dispatchEvent(new CustomEvent("cxrdash-focus", { detail: { ref } }));
  }

  close() {
    this.shut();
    this.address(null);
  }

  tell() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { if (this.current) this.address(this.current); }, REST_MS);
  }

  // Put the film and its window into the page's address, as a step of the reader's own: Streamlit takes an address
  // that changed under it as it takes Back and Forward. The entry is replaced, so that Back leaves the room.
  address(entry) {
    const url = new URL(window.location.href), film = this.main?.film;
    const names = ["g_film", "v_c", "v_w"];
    for (const name of names) url.searchParams.delete(name);
    if (entry) {
      url.searchParams.set("g_film", entry.link);
      if (film?.film && this.mode !== "three" && !film.tone.shades && !sameTone(film.tone, startTone(film.film))) {
        url.searchParams.set("v_c", String(Number(film.tone.center.toPrecision(9))));
        url.searchParams.set("v_w", String(Number(film.tone.width.toPrecision(9))));
      }
    }
    if (url.href === window.location.href) return;
    if ((entry ? entry.link : null) !== this.heard) this.willEcho(entry ? entry.link : null);
    window.history.replaceState(window.history.state, "", url);
    window.dispatchEvent(new PopStateEvent("popstate", { state: window.history.state }));
  }

  say(text) {
    this.toastBox.textContent = text;
    this.toastBox.classList.add("on");
    clearTimeout(this.saying);
    this.saying = setTimeout(() => this.toastBox.classList.remove("on"), 1800);
  }

  // Texts

  writePlace() {
    const at = this.at();
    this.placeBox.textContent = at < 0 ? "not in this draw" : `${at + 1} of ${this.films.length}`;
    this.root.querySelector('[data-act="previous"]').disabled = at === 0;
    this.root.querySelector('[data-act="next"]').disabled = at === this.films.length - 1;
  }

  writeTools() {
    const film = this.active?.film, facts = this.main?.facts;
    const press = (name, on, enabled = true) => {
      const button = this.root.querySelector(`[data-act="${name}"]`);
      button.setAttribute("aria-pressed", String(Boolean(on)));
      button.disabled = !enabled;
      return button;
    };
    const loaded = film?.film;
    for (const key of [1, 2, 3, 4]) {
      const tone = loaded?.presets[key - 1];
      press(`preset${key}`, loaded && tone.name === film.tone.name, Boolean(loaded)).title = tone?.tip || "";
    }
    const own = press("preset5", loaded?.own.includes(film.tone), Boolean(loaded?.own.length));
    own.title = loaded?.own.length ? loaded.own.map((tone) => tone.name).join(", ") : "This file has no window of its own";
    press("invert", film?.invert, Boolean(loaded));
    press("rotate", film?.view.turns, Boolean(loaded));
    press("ruler", this.ruling, Boolean(loaded));
    press("three", this.mode === "three", Boolean(loaded));
    press("study", this.mode === "study", Boolean(facts?.mates?.length));
    press("masks", this.masks, Boolean(facts?.overlays?.length));
    press("labels", this.labels);
    press("details", this.details);
    this.labelsBox.hidden = !this.labels;
    this.detailsBox.hidden = !this.details || this.mode !== "one";
    this.reportBox.hidden = this.detailsBox.hidden || !this.labels;
    this.legendBox.hidden = this.mode !== "one" && !this.masks;
  }

  writeFacts(facts) {
    this.writeLabels(facts?.labels);
    this.writeLegend(facts);
    this.writeReport(facts?.report);
    this.writeDetails(facts?.metadata);
    this.writeStrip(facts);
  }

  writeLabels(labels) {
    this.labelsBox.replaceChildren();
    if (!labels) return;
    for (const state of ["positive", "uncertain", "negative"]) {
      const names = labels[state], rows = names.slice(0, state === "negative" ? 8 : 40);
      for (const name of rows) {
        const row = node("div", `row ${state}${state === "negative" ? " faint" : ""}`), glyph = node("b", "", GLYPHS[state]);
        glyph.title = state;
        row.append(glyph, node("span", "", name));
        this.labelsBox.append(row);
      }
      if (names.length > rows.length) this.labelsBox.append(node("div", "many", `${state}: ${names.length - rows.length} more`));
    }
    const rest = [["blank", "Blank"], ["not_assessed", "Not assessed"]];
    for (const [state, word] of rest) {
      const names = labels[state];
      if (!names.length) continue;
      const named = names.slice(0, BLANKS_NAMED).join(", "), more = names.length - BLANKS_NAMED;
      this.labelsBox.append(node("div", "many", `${word}: ${named}${more > 0 ? ` and ${more} more` : ""}`));
    }
  }

  writeLegend(facts) {
    this.legendBox.replaceChildren();
    const groups = new Map();
    for (const one of facts?.overlays || []) {
      const key = `${one.kind} ${one.name}`, { readers = [], problems = [] } = groups.get(key) || {};
      groups.set(key, { ...one, readers: [...readers, one.reader], problems: [...problems, one.problem] });
    }
    for (const one of groups.values()) {
      const row = node("div", "row"), swatch = node("span", `swatch ${one.kind}`), readers = one.readers.filter(Boolean);
      swatch.style.borderColor = one.colour;
      const who = readers.length ? ` (${[...new Set(readers)].join(", ")})` : "";
      const quality = typeof one.quality === "number" ? `, quality ${told(one.quality)}` : "";
      const times = one.readers.length > 1 ? ` ×${one.readers.length}` : "";
      row.append(swatch, node("span", "", one.name + times + who + quality));
      this.legendBox.append(row);
      for (const problem of new Set(one.problems.filter(Boolean))) this.legendBox.append(node("div", "problem", problem));
    }
  }

  writeReport(sections) {
    this.reportBox.replaceChildren();
    for (const [name, text] of sections || []) {
      const section = node("p", "", text);
      section.prepend(node("b", "", `${name} `));
      this.reportBox.append(section);
    }
  }

  writeDetails(rows) {
    this.detailsBox.replaceChildren();
    if (!rows) return;
    const list = node("dl");
    for (const [name, text] of rows) list.append(node("dt", "", name), node("dd", "", text));
    this.detailsBox.append(list);
  }

  writeStrip(facts) {
    const line = facts?.timeline, several = Boolean(line && line.of > 1);
    this.patientBox.hidden = !several || !this.strip;
    if (!several) return void this.stripBox.replaceChildren();
    const some = line.films.length < line.of ? `, ${line.films.length} of them below` : "";
    const order = line.order ? `Order: ${line.order}` : "The dataset gives no order: these stand in the order of its files.";
    this.saidBox.textContent = `Film ${line.first + line.place + 1} of ${told(line.of)} of this patient${some}. ${order}`;
    this.saidBox.title = this.saidBox.textContent;
    this.stripBox.replaceChildren(...line.films.map((entry, at) => this.stripFilm(entry, line.first + at + 1)));
    this.stripBox.querySelector(".here")?.scrollIntoView({ block: "nearest", inline: "center" });
  }

  stripFilm(entry, number) {
    const button = node("button", entry.image === this.current?.image ? "film here" : "film");
    const nothing = node("span", "none", "no film"), picture = entry.on_disk ? node("img") : nothing;
    picture.onerror = () => picture.replaceWith(nothing);
    if (entry.on_disk) Object.assign(picture, { loading: "lazy", alt: "", src: entry.thumb });
    const [, age, view] = entry.caption.split(" · ");
    button.title = `${number}: ${[entry.caption, ...entry.labels].join(", ")}. Shift and click: beside this film.`;
    button.append(picture, node("span", "under", `${number} · ${age}`), node("span", "under dim", view));
    button.onclick = (event) => {
      if (entry.image === this.current?.image) return;
      if (event.shiftKey) { this.beside = entry; this.mode = "beside"; this.lay(); return; }
      this.open(entry);
      this.tell();
    };
    return button;
  }

  // Events

  listen() {
    this.room.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (!button) return;
      this.act(button.dataset.act);
      if (event.detail && this.isOpen) this.room.focus(); // a mouse leaves the keys to the room
    });
    this.root.querySelector(".opacity").addEventListener("input", (event) => {
      this.opacity = Number(event.target.value) / 100;
      this.panes.forEach((pane) => pane.layer());
    });
    this.dialog.addEventListener("keydown", (event) => this.key(event));
    this.dialog.addEventListener("keyup", (event) => event.stopPropagation());
    this.dialog.addEventListener("cancel", (event) => { event.preventDefault(); this.escape(); });
    window.addEventListener("cxrdash-open", ({ detail }) => {
      if (!this.root.isConnected) return;
      const entry = this.films.find((one) => one.ref === detail.ref);
      if (!entry) return;
      this.willEcho(entry.link);
      this.open(entry);
    });
    document.addEventListener("fullscreenchange", () => this.panes.forEach((pane) => pane.film.paint()));
  }

  key(event) {
    event.stopPropagation(); // the page has keys of its own
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onControl = event.target.matches("button, input") && [" ", "Enter", "ArrowLeft", "ArrowRight"].includes(event.key);
    if (onControl && (event.target.matches("input") || !event.key.startsWith("Arrow"))) return;
    const acts = {
      ArrowLeft: "previous", ArrowRight: "next", i: "invert", r: "rotate", 0: "reset", " ": "reset", "+": "bigger",
      "=": "bigger", "-": "smaller", t: "three", s: "study", m: "masks", l: "labels", d: "details", p: "patient",
      f: "full", u: "ruler", Backspace: "unline", "?": "help", 1: "preset1", 2: "preset2", 3: "preset3", 4: "preset4", 5: "preset5",
    };
    const name = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (event.key === "Escape") this.escape();
    else if (name && !(event.repeat && !["next", "previous", "bigger", "smaller"].includes(name))) this.act(name);
    else if (!name) return;
    event.preventDefault();
  }
}

export default function (component) {
  const { data, parentElement } = component, dialog = parentElement.querySelector(".viewer");
  let room = ROOMS.get(dialog);
  if (!room) ROOMS.set(dialog, (room = new Room(parentElement)));
  room.receive(data);
  return () => { if (!dialog.isConnected && room.isOpen) room.shut(); };
}
