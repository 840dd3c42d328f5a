// The board on which a reader judges films, as a grid or one by one. It runs without waiting for the server: marks are
// numbered, kept in a queue (and in the tab's storage) and sent again until the server says that they are on disk.
// `data.head` is the sample around the reader's place, `data.live` what is stored; the state `sent` carries the queue.

const BOARDS = new WeakMap(), CACHE = new FilmCache(256e6);
const LEAST_MS = 300;      // a film must have been seen so long before it can be judged
const RETRY_MS = 4000, AHEAD = 6;
const CODES = { 1: "yes", 2: "doubtful", 3: "no", 4: "unsure", 5: "unreadable" };
const ARROWS = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"];

function node(kind, name = "", text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(name, text, act) {
  const made = node("button", name, text);
  made.type = "button";
  made.tabIndex = -1; // the keys below do the same; the films keep the focus
  made.onmousedown = (event) => event.preventDefault();
  made.addEventListener("click", act);
  return made;
}

function nameOf(act) { return act.c + ":" + act.n; }

class Board {
  constructor(root) {
    this.root = root;
    this.films = new Map();   // place in the reader's order -> {ref, thumb, pixels, label}
    this.labels = new Map();  // ref -> label, where it is told before the verdict
    this.given = new Map();   // ref -> {code, verdict, present, note, identifier, label}: stored or on its way
    this.drafts = new Map();  // ref -> remarks not sent yet
    this.queue = [];          // acts without the server's word, oldest first
    this.done = [];           // refs judged in this tab, for undo
    this.number = 0;
    this.place = 0;
    this.arrived = Infinity;  // when the film under the cursor could be seen
    this.tick = 0;
    this.stamp = 0;           // when the key or click at hand happened
    this.lay();
  }

  lay() {
    const { root } = this;
    root.replaceChildren();
    this.bar = node("div", "bar");
    this.keys = node("div", "keys");
    this.count = node("div", "count");
    this.count.setAttribute("role", "status");
    this.bar.append(this.keys, this.count);
    this.fault = node("div", "fault");
    this.fault.setAttribute("role", "alert");
    this.ask = node("div", "ask");
    this.grid = node("div", "grid");
    this.grid.setAttribute("role", "grid");
    this.one = node("div", "one");
    this.canvas = node("canvas", "");
    this.canvas.setAttribute("role", "img");
    this.label = node("div", "corner");
    this.wait = node("div", "why");
    this.one.append(this.canvas, this.label, this.wait);
    root.append(this.bar, this.fault, this.ask, this.grid, this.one);
    this.pane = new FilmPane(this.canvas, { painted: () => this.seen(this.ticket) });
    root.tabIndex = 0;
    root.onkeydown = (event) => this.key(event);
    root.addEventListener("click", (event) => { this.stamp = event.timeStamp; }, { capture: true });
  }

  // What the server says

  take({ head, live }, send) {
    this.send = send;
    const first = this.signature !== head.signature;
    if (first) this.begin(head);
    this.head = head;
    head.films.forEach((film, at) => {
      this.films.set(head.start + at, film);
      if (film.label) this.labels.set(film.ref, film.label);
    });
    if (first) this.restore();
    this.settle(live);
    if (first) {
      this.place = head.place;
      if (this.queue.length) this.post();
      this.draw();
      this.root.focus({ preventScroll: true });
    } else if (!this.drawnAll) this.draw();
    this.refresh();
  }

  begin(head) {
    this.signature = head.signature;
    this.films.clear(); this.given.clear(); this.drafts.clear();
    this.queue = []; this.done = []; this.number = 0;
    this.client = crypto.randomUUID ? crypto.randomUUID() : String(Math.random()).slice(2);
    this.mode = this.mode || "grid";
    this.block = -1;
    this.legend(head);
  }

  settle(live) {
    this.live = live;
    const done = new Set(live.done), refused = new Map(live.refused);
    for (const act of this.queue) if (refused.has(nameOf(act))) this.refuse(act, refused.get(nameOf(act)));
    this.queue = this.queue.filter((act) => !done.has(nameOf(act)));
    const waiting = new Set(this.queue.map((act) => act.ref));
    for (const [ref, mark] of Object.entries(live.given)) if (!waiting.has(ref)) this.given.set(ref, mark);
    for (const ref of live.none) if (!waiting.has(ref)) this.given.delete(ref);
    this.keep();
    clearTimeout(this.again);
    if (this.queue.length) this.again = setTimeout(() => this.post(), live.fault ? RETRY_MS : RETRY_MS / 4);
    this.tell(live.fault);
  }

  refuse(act, why) {
    if (!act.undo) this.given.delete(act.ref);
    this.done = this.done.filter((ref) => ref !== act.ref);
    this.tell(why);
  }

  tell(text) {
    this.fault.textContent = text || "";
    this.fault.hidden = !text;
  }

  // Acts, numbered and kept until they are stored

  push(act) {
    Object.assign(act, { c: this.client, n: ++this.number });
    this.queue.push(act);
    this.keep();
    this.post();
    this.refresh();
  }

  post() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.post(), RETRY_MS);
    this.send({ block: this.blockOf(this.place), tick: ++this.tick, acts: this.queue });
    if (!this.queue.length) clearTimeout(this.again);
  }

  storageKey() { return "cxrdash-review-" + this.head.owner; }

  keep() {
    try {
      if (this.queue.length) sessionStorage.setItem(this.storageKey(), JSON.stringify(this.queue));
      else sessionStorage.removeItem(this.storageKey());
    } catch { /* without storage a reload loses what was not yet acknowledged, and the counter says so */ }
  }

  // Acts that a reload of the page cut off. They keep the name under which they may already be stored.
  restore() {
    try { this.queue = JSON.parse(sessionStorage.getItem(this.storageKey())) || []; } catch { this.queue = []; }
    for (const act of this.queue) if (!act.undo) this.given.set(act.ref, { ...act });
  }

  // Judging

  get film() { return this.films.get(this.place); }

  // The film under the cursor has been painted.
  seen(ticket) {
    if (ticket !== this.place || this.arrived !== Infinity) return;
    requestAnimationFrame(() => { if (ticket === this.place && this.arrived === Infinity) this.look(performance.now()); });
  }

  look(since) {
    this.arrived = since;
    this.root.dataset.seen = this.film?.ref || "";
  }

  // Times are those of the key or click itself, however late a busy browser gets to it.
  unseen() { return !this.film || this.stamp - this.arrived < LEAST_MS; }

  clock(moment) { return Math.round(Date.now() - performance.now() + moment); }

  judge(code) {
    const film = this.film;
    if (this.unseen()) return false;
    if (film[this.mode + "Broken"] && code !== "unreadable") { this.tell("There is no picture to judge: mark it unreadable (5)."); return false; }
    this.tell("");
    if (this.head.askWhich && (code === "no" || code === "doubtful") && !this.draftOf(film.ref).present.length) {
      this.openFindings(() => this.commit(film.ref, code, true));
      return true;
    }
    this.commit(film.ref, code, true);
    return true;
  }

  draftOf(ref) {
    if (!this.drafts.has(ref)) {
      const { present = [], note = "", identifier = false } = this.given.get(ref) || {};
      this.drafts.set(ref, { present: [...present], note, identifier });
    }
    return this.drafts.get(ref);
  }

  commit(ref, code, goOn) {
    const draft = this.draftOf(ref), decided = Math.max(this.stamp, this.arrived);
    this.drafts.delete(ref);
    this.given.set(ref, { code, ...draft });
    if (code) this.done.push(ref);
    const dwell = Math.round(decided - this.arrived);
    this.push({ ref, code, ...draft, shown: this.clock(this.arrived), decided: this.clock(decided), dwell });
    if (goOn) this.go(this.place + 1);
  }

  // Remarks on a film that is already judged, or that the reader leaves without a verdict.
  flush(ref) {
    const draft = this.drafts.get(ref), given = this.given.get(ref) || {};
    if (!draft) return;
    const same = draft.note === (given.note || "") && draft.identifier === Boolean(given.identifier) &&
      draft.present.join("\n") === (given.present || []).join("\n");
    if (same) this.drafts.delete(ref);
    else if (given.code || draft.note || draft.identifier || draft.present.length) this.commit(ref, given.code || "", false);
  }

  undo() {
    const ref = this.done.pop() || (this.given.get(this.film?.ref)?.code ? this.film.ref : null);
    if (!ref) return;
    this.given.delete(ref);
    this.drafts.delete(ref);
    this.push({ ref, undo: true });
    const place = [...this.films].find(([, film]) => film.ref === ref)?.[0];
    if (place !== undefined) this.go(place);
  }

  // Moving

  blockOf(place) { return Math.floor(place / this.head.size); }

  go(to) {
    const last = this.head.total - 1, place = Math.max(0, Math.min(last, to));
    if (this.film) this.flush(this.film.ref);
    if (place === this.place) { this.refresh(); return; }
    const block = this.blockOf(this.place);
    this.place = place;
    this.arrived = Infinity;
    // In the grid the next film has been on screen all along.
    if (this.mode === "grid" && this.tileAt(place)?.dataset.painted) this.look(this.stamp);
    if (this.blockOf(place) !== block) this.post();
    this.draw();
    this.refresh();
  }

  step(key) {
    const across = this.mode === "grid" ? this.columns() : 1;
    const first = this.blockOf(this.place) * this.head.size;
    this.go({
      ArrowRight: this.place + 1, ArrowLeft: this.place - 1, ArrowDown: this.place + across,
      ArrowUp: this.place - across, Home: first, End: first + this.head.size - 1,
    }[key]);
  }

  columns() {
    const tiles = [...this.grid.children], next = tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop);
    return next < 0 ? Math.max(1, tiles.length) : next;
  }

  toggleMode(mode) {
    this.mode = mode;
    this.block = -1;
    this.arrived = Infinity;
    this.draw();
    this.refresh();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key !== "z" || event.altKey) return;
    }
    if (event.target.tagName === "INPUT") return;
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const acts = {
      u: () => this.undo(), z: () => event.ctrlKey && this.undo(), Backspace: () => this.undo(),
      f: () => this.openFindings(), n: () => this.openNote(), 6: () => this.flag(),
      g: () => this.toggleMode("grid"), o: () => this.toggleMode("one"), Enter: () => this.toggleMode(this.mode === "grid" ? "one" : "grid"),
    };
    const viewing = {
      i: () => this.pane.setInvert(!this.pane.invert), r: () => this.pane.rotate(), "+": () => this.pane.zoomBy(1.25),
      "=": () => this.pane.zoomBy(1.25), "-": () => this.pane.zoomBy(0.8), 0: () => this.pane.reset(), " ": () => this.pane.reset(),
    };
    let act = acts[name] || (this.mode === "one" && viewing[name]);
    if (CODES[name]) act = () => this.judge(CODES[name]);
    if (ARROWS.includes(event.key)) act = () => this.step(event.key);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    this.stamp = event.timeStamp;
    if (event.repeat && !ARROWS.includes(event.key) && !viewing[name]) return;
    act();
  }

  flag() {
    if (!this.film) return;
    const draft = this.draftOf(this.film.ref);
    draft.identifier = !draft.identifier;
    if (this.given.get(this.film.ref)?.code) this.flush(this.film.ref);
    this.refresh();
  }

  // Which findings are on the film, and a note

  openFindings(then) {
    const film = this.film;
    if (this.unseen()) return;
    const draft = this.draftOf(film.ref), chips = node("div", "chips"), input = this.input("Which findings? Type to filter, Enter chooses, Enter again goes on");
    const shown = () => this.head.findings.filter((name) => name.toLowerCase().includes(input.value.trim().toLowerCase()));
    const toggle = (name) => {
      draft.present = draft.present.includes(name) ? draft.present.filter((other) => other !== name) : [...draft.present, name];
      input.value = "";
      list();
      input.focus();
    };
    const list = () => chips.replaceChildren(...shown().slice(0, 40).map((name) => {
      const chip = button("chip" + (draft.present.includes(name) ? " on" : ""), name, () => toggle(name));
      chip.setAttribute("aria-pressed", String(draft.present.includes(name)));
      return chip;
    }));
    input.oninput = list;
    list();
    this.open(input, [chips], () => { if (input.value.trim() && shown().length) { toggle(shown()[0]); return false; } return true; }, film, then);
  }

  openNote() {
    const film = this.film;
    if (this.unseen()) return;
    const draft = this.draftOf(film.ref), input = this.input("Note, Enter keeps it (no patient data)");
    input.value = draft.note;
    input.maxLength = 2000;
    input.oninput = () => { draft.note = input.value; };
    this.open(input, [], () => true, film);
  }

  input(words) {
    const made = node("input");
    made.type = "text";
    made.placeholder = words;
    made.setAttribute("aria-label", words);
    return made;
  }

  open(input, more, ready, film, then) {
    const close = (goOn) => {
      this.stamp = performance.now();
      this.ask.replaceChildren();
      this.ask.classList.remove("open");
      this.root.focus({ preventScroll: true });
      if (then && goOn) then();
      else if (this.given.get(film.ref)?.code) this.flush(film.ref);
      this.refresh();
    };
    input.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.repeat && ready()) close(true);
      else if (event.key === "Escape") close(false);
    };
    this.ask.replaceChildren(input, ...more, button("go", "Done", () => close(true)));
    this.ask.classList.add("open");
    input.focus();
  }

  // Drawing

  legend(head) {
    const keys = Object.entries(CODES).map(([key, code]) => button("key " + code, `${key} ${head.words[code]}`, (event) => {
      if (event.detail < 2) this.judge(code); // the second click of a double click was meant for the film before
    }));
    const others = [["6 Identifier", () => this.flag()], ["F Findings", () => this.openFindings()], ["N Note", () => this.openNote()],
      ["U Undo", () => this.undo()]];
    this.modes = [["grid", "G Grid"], ["one", "O One large"]].map(([mode, text]) => button("key mode m-" + mode, text, () => this.toggleMode(mode)));
    this.keys.replaceChildren(...keys, ...others.map(([text, act]) => button("key other", text, act)), ...this.modes);
    this.grid.style.setProperty("--columns", head.size <= 18 ? 6 : 8);
    this.grid.style.setProperty("--shape", 2); // 6 x 3 and 8 x 4
  }

  draw() {
    const grid = this.mode === "grid";
    this.grid.hidden = !grid;
    this.one.hidden = grid;
    if (grid) this.drawGrid();
    else this.drawOne();
    const ahead = (what, from, count) => Array.from({ length: count }, (_, at) => this.films.get(from + at)?.[what]).filter(Boolean);
    if (!grid) CACHE.prefetch(ahead("pixels", this.place + 1, AHEAD));
    else for (const url of ahead("thumb", (this.blockOf(this.place) + 1) * this.head.size, this.head.size)) new Image().src = url;
  }

  drawGrid() {
    const block = this.blockOf(this.place), start = block * this.head.size;
    const places = Array.from({ length: Math.min(this.head.size, this.head.total - start) }, (_, at) => start + at);
    this.drawnAll = places.every((place) => this.films.has(place));
    if (block !== this.block || !this.grid.querySelector(".tile[data-ref]") || !this.complete) {
      this.block = block;
      this.complete = this.drawnAll;
      this.grid.replaceChildren(...places.map((place) => this.tile(place)));
    }
    this.see();
  }

  tile(place) {
    const film = this.films.get(place), tile = node("div", "tile"), picture = node("img");
    tile.setAttribute("role", "gridcell");
    tile.dataset.place = String(place);
    tile.append(node("div", "film"), node("div", "word"));
    tile.onclick = () => { this.root.focus({ preventScroll: true }); this.go(place); };
    if (!film) return tile;
    tile.dataset.ref = film.ref;
    picture.alt = `Film ${place + 1} of ${this.head.total}`;
    picture.draggable = false;
    const broken = (why) => { film.gridBroken = true; tile.firstChild.replaceChildren(node("span", "why", why)); ready(); };
    const ready = () => {
      tile.dataset.ready = "yes";
      requestAnimationFrame(() => { tile.dataset.painted = "yes"; });
      if (this.place === place) this.see();
    };
    if (film.problem) { broken(film.problem); return tile; }
    picture.src = film.thumb;
    picture.decode().then(ready, () => broken("this film cannot be shown"));
    tile.firstChild.append(picture);
    return tile;
  }

  tileAt(place) { return this.grid.querySelector(`.tile[data-place="${place}"]`); }

  see() {
    const tile = this.tileAt(this.place);
    tile?.scrollIntoView({ block: "nearest" });
    if (tile?.dataset.ready) this.seen(this.place);
  }

  drawOne() {
    const film = this.film, place = this.place;
    this.ticket = -1;
    this.drawnAll = Boolean(film);
    this.canvas.style.visibility = "hidden";
    this.wait.textContent = film ? "" : "…";
    if (!film) return;
    const failed = (why) => { film.oneBroken = true; this.wait.textContent = why; this.ticket = place; this.seen(place); };
    if (film.problem) { failed(film.problem); return; }
    CACHE.load(film.pixels).then((pixels) => {
      if (this.place !== place || this.mode !== "one") return;
      film.oneBroken = false;
      this.canvas.style.visibility = "visible";
      this.canvas.setAttribute("aria-label", `Film ${place + 1} of ${this.head.total}`);
      this.ticket = place;
      this.pane.show(pixels, { tone: startTone(pixels) });
      this.pane.paint();
    }, (fault) => { if (this.place === place) failed(fault.message); });
  }

  refresh() {
    const { head, live } = this;
    if (!head || !live) return;
    for (const tile of this.grid.children) this.dress(tile, tile.dataset.ref, Number(tile.dataset.place));
    if (this.film) this.dress(this.one, this.film.ref, this.place);
    this.label.textContent = this.film ? [`${this.place + 1} of ${head.total}`, this.wordOf(this.film.ref)].filter(Boolean).join(" · ") : "";
    const waiting = this.queue.length ? ` · ${this.queue.length} on the way` : "";
    this.count.textContent = `${live.saved} of ${head.total} saved${waiting}`;
    this.root.dataset.saved = String(live.saved);
    this.root.dataset.waiting = String(this.queue.length);
    this.root.dataset.cursor = this.film?.ref || "";
    this.root.dataset.seen = this.arrived === Infinity ? "" : this.film?.ref || "";
    for (const key of this.modes) key.classList.toggle("on", key.classList.contains("m-" + this.mode));
  }

  wordOf(ref) {
    const mark = this.given.get(ref), draft = this.drafts.get(ref);
    const remarks = draft || mark || {};
    const word = mark?.verdict ? `${this.head.symbols[mark.verdict] || ""} ${mark.verdict}` : mark?.code ? "saving" : "";
    return [word, (remarks.present || []).join(", "), mark?.label || this.labels.get(ref), remarks.identifier ? "identifier" : "", remarks.note ? "note" : ""]
      .filter(Boolean).join(" · ");
  }

  dress(tile, ref, place) {
    const mark = this.given.get(ref) || {};
    tile.dataset.verdict = mark.verdict || (mark.code ? "saving" : "");
    tile.classList.toggle("cursor", place === this.place);
    const word = tile.querySelector(".word");
    if (word && ref) { word.textContent = this.wordOf(ref); word.title = word.textContent; }
    if (tile.getAttribute("role") === "gridcell") tile.setAttribute("aria-label", `Film ${place + 1}: ${this.wordOf(ref) || "not judged"}`);
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".board");
  let board = BOARDS.get(root);
  if (!board) BOARDS.set(root, (board = new Board(root)));
  board.take({ head: JSON.parse(data.head), live: JSON.parse(data.live) }, (sent) => setStateValue("sent", sent));
  root.dataset.ready = "yes";
}
