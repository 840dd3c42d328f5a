// One film of the viewer with the texts in its corners, and what the server knows of it. Uses film_canvas.js
// and film_ruler.js.

const CACHE = new FilmCache(), FACTS = new Map(), MOST_FACTS = 300;

function node(kind, name = "", text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function told(number) {
  const size = Math.abs(number);
  if (Number.isInteger(number)) return number.toLocaleString("en");
  return number.toLocaleString("en", { maximumFractionDigits: size >= 100 ? 1 : size >= 1 ? 2 : 5 });
}

async function factsOf(entry) {
  if (!FACTS.has(entry.facts)) {
    if (FACTS.size >= MOST_FACTS) FACTS.delete(FACTS.keys().next().value);
    const found = fetch(entry.facts, { credentials: "same-origin" })
      .then((answer) => (answer.ok ? answer.json() : { message: "" })).catch(() => ({ message: "" }));
    FACTS.set(entry.facts, found);
  }
  const found = await FACTS.get(entry.facts);
  if (found.message !== undefined) FACTS.delete(entry.facts);
  return found;
}

// One film with the texts in its corners.
class Pane {
  constructor(room) {
    this.room = room;
    this.figure = node("figure", "pane waiting");
    this.ghost = node("img", "ghost");
    this.ghost.alt = "";
    this.canvas = node("canvas");
    this.canvas.setAttribute("role", "img");
    this.top = node("div", "corner top");
    this.bottom = node("div", "corner bottom");
    this.probe = node("div", "probe");
    this.tone = node("div", "tone");
    this.lengths = node("div", "lengths");
    this.size = node("div", "dim");
    this.bottom.append(this.lengths, this.probe, this.tone, this.size);
    this.badges = node("div", "badges");
    this.hands = [node("span", "hand"), node("span", "hand")];
    this.scale = node("div", "scale");
    this.wait = node("div", "wait");
    this.figure.append(this.ghost, this.canvas, this.top, this.bottom, this.badges, ...this.hands);
    this.figure.append(this.scale, this.wait);
    this.film = new FilmPane(this.canvas, {
      tone: (tone, done) => { this.write(); room.toned(this, done); },
      view: () => this.write(),
      probe: (found) => this.writeProbe(found),
      painted: (spent) => this.painted(spent),
    });
    this.ruler = this.film.tool = new Ruler(() => { this.film.paint(); this.writeLengths(); });
    this.ruler.on = room.ruling;
    this.figure.addEventListener("pointerdown", () => room.activate(this));
  }

  destroy() {
    this.ticket = null;
    this.film.destroy();
    this.figure.remove();
  }

  // Load a film; `choose(film)` gives its tone. A film asked for later wins.
  async load(entry, choose) {
    const ticket = (this.ticket = {});
    this.entry = entry;
    this.figure.classList.add("waiting");
    this.figure.querySelector(".fault")?.remove();
    this.film.clear();
    this.ruler.clear();
    this.facts = null;
    this.asked = performance.now();
    this.canvas.dataset.film = "";
    this.ghost.removeAttribute("src");
    if (entry.on_disk && !CACHE.has(entry.pixels)) this.ghost.src = entry.thumb;
    this.ghost.onerror = () => this.ghost.removeAttribute("src");
    this.wait.textContent = "";
    const late = setTimeout(() => { if (this.ticket === ticket) this.wait.textContent = "Loading …"; }, 700);
    this.write();
    try {
      const film = await CACHE.load(entry.pixels);
      if (this.ticket !== ticket) return;
      this.wait.textContent = "";
      this.film.show(film, { tone: choose(film) });
      this.canvas.dataset.film = String(entry.image);
      this.figure.classList.remove("waiting");
      this.layer();
      this.write();
    } catch (fault) {
      if (this.ticket === ticket) this.fail(fault);
      return;
    } finally {
      clearTimeout(late);
    }
    const facts = await factsOf(entry);
    if (this.ticket !== ticket) return;
    this.facts = facts;
    this.layer();
    this.room.informed(this);
  }

  fail(fault) {
    this.wait.textContent = "";
    this.ghost.removeAttribute("src");
    const box = node("div", "fault");
    box.append(node("strong", "", fault.message), node("span", "dim", fault.hint || ""));
    this.figure.append(box);
    this.canvas.dataset.film = "none";
    factsOf(this.entry).then((facts) => {
      if (box.isConnected) { this.facts = facts; this.room.informed(this); }
    });
  }

  layer() {
    const { masks, opacity } = this.room;
    if (!this.film.film) return;
    if (this.layered !== this.facts) {
      this.layered = this.facts;
      this.film.layers = (this.facts?.overlays || []).filter((one) => one.box || one.runs).map((one) => ({ ...one }));
    }
    if (!this.facts) this.film.layers = [];
    for (const layer of this.film.layers) Object.assign(layer, { shown: masks, alpha: opacity });
    this.film.paint();
  }

  painted(spent) {
    this.canvas.dataset.frame = spent.toFixed(2);
    if (this.asked && this.film.film) {
      this.canvas.dataset.first = (performance.now() - this.asked).toFixed(1);
      this.asked = 0;
    }
    if (!this.film.film) return;
    this.writeSize();
    this.writeScale();
  }

  writeSize() {
    const { film, scale } = this.film, percent = (scale / (globalThis.devicePixelRatio || 1)) * 100;
    const stored = `${told(film.width)} × ${told(film.height)}, ${film.bits} bits`;
    this.size.textContent = `${stored}${film.inverted ? ", stored inverted" : ""}  ${percent.toFixed(0)}%`;
  }

  write() {
    const { entry } = this, { film, tone, view, invert } = this.film;
    this.top.replaceChildren();
    if (entry) {
      this.top.append(node("div", "title", entry.title), node("div", "name", entry.caption));
      this.canvas.setAttribute("aria-label", `Chest film, ${entry.caption}`);
    }
    if (!film) {
      for (const part of [this.tone, this.size, this.probe]) part.textContent = "";
      this.badges.replaceChildren();
      this.scale.replaceChildren();
      this.hands.forEach((hand) => { hand.textContent = ""; });
      return;
    }
    const { center, width } = windowOf(film, tone);
    this.tone.textContent = tone.shades ? tone.name : `C ${told(center)}  W ${told(width)}  ${tone.name}`.trim();
    const badges = [invert ? "INVERTED" : "", view.turns ? `ROTATED ${view.turns * 90}°` : ""].filter(Boolean);
    this.badges.replaceChildren(...badges.map((text) => node("span", "badge", text)));
    this.writeHands(view.turns);
  }

  // The patient's right is on the viewer's left of a frontal film, by convention.
  writeHands(turns) {
    const sides = ["west", "north", "east", "south"];
    this.hands.forEach((hand, at) => {
      hand.className = `hand ${sides[(turns + 2 * at) % 4]}`;
      hand.textContent = this.entry?.frontal ? "RL"[at] : "";
      hand.title = "By convention for frontal films as stored: trust the marker in the film";
    });
  }

  writeProbe(found) {
    if (!found || !this.film.film) return void (this.probe.textContent = "");
    const film = this.film.film, step = film.spacing_mm;
    const rescaled = film.has_modality ? ` stored, ${told(found.rescaled)} rescaled` : "", value = told(found.stored) + rescaled;
    const mm = (pixels, size) => told(Math.round(pixels * size * 10) / 10);
    const place = step ? `  (${mm(found.x, step[1])}, ${mm(found.y, step[0])} mm)` : "";
    this.probe.textContent = `x ${found.x}  y ${found.y}: ${value}${place}`;
    Object.assign(this.probe.dataset, { x: found.x, y: found.y, stored: found.stored });
  }

  writeLengths() {
    const { film } = this.film, { lines } = this.ruler;
    this.lengths.textContent = film && lines.length ? lengthsText(film, lines) : "";
  }

  writeScale() {
    const { film, view } = this.film, step = film?.spacing_mm;
    if (!step) return void this.scale.replaceChildren();
    const perMm = this.film.scale / (globalThis.devicePixelRatio || 1) / step[view.turns % 2 ? 0 : 1];
    const length = [200, 100, 50, 20, 10, 5, 2, 1].find((mm) => mm * perMm < 160) || 1;
    const kinds = {
      detector: "at the detector", patient: "in the patient", stated: "as the file states", dataset: "as the dataset states",
    };
    const key = `${length} ${(length * perMm).toFixed(1)}`;
    if (this.scale.dataset.key === key && this.scale.childElementCount) return;
    this.scale.dataset.key = key;
    const rule = node("div", "rule");
    rule.style.width = `${length * perMm}px`;
    this.scale.replaceChildren(node("span", "", `${length / 10} cm ${kinds[film.spacing_kind] || ""}`), rule);
  }
}
