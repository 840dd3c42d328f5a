// A film on a canvas: everything that shows stored pixels to a reader, without any server in the loop.
//
//   decodeFilm(buffer)            film of a payload (cxrdash.images.payload): its header's fields, `pixels` as stored
//   new FilmCache(limitBytes)     .load(url) -> Promise<film>; .prefetch(urls) one by one; .has(url); drops the oldest
//   startTone(film)               how the film is shown first: its own table or window, else its full range
//   windowTone(c, w, name)        a tone of a centre and a width in rescaled values
//   rescaledValue(film, stored)   stored -> rescaled value; probeFilm(film, x, y) -> {stored, rescaled} or null
//   shadesOf(film, tone, invert)  the grey (0 to 255) of every stored value, equal to cxrdash.images.display
//   new FilmPane(canvas, events)  .show(film, {tone, view, invert}); .setTone(tone) .setInvert(bool) .rotate() .reset()
//                                 .zoomBy(factor, x, y) .panBy(dx, dy) .fit(); .layers = [...]; .paint(); .destroy()
//                                 mouse: drag = window and level, wheel or right drag = zoom, middle or shift
//                                 drag = pan, double click = fit or one to one. .linked = [panes] move and zoom together.
//                                 .tool = {on, begin(point), drag(point), end(scale), draw(context, matrix, film)} or
//                                 null takes the drag while it is on and draws over the film.
//      events (all optional)      tone(tone, done), view(view), probe({x, y, stored, rescaled} or null), painted(ms)
//   layers                        {kind: "mask", name, runs: [start, length, ...] row by row, colour, alpha, shown} or
//                                 {kind: "box", name, box: [x, y, w, h] in film pixels, colour, alpha, shown}
//
// A view is {zoom, x, y, turns}: 1 = the whole film fits, x and y in fractions of the film from its centre, quarter
// turns clockwise. Films are never flipped. Coordinates are film pixels, 0 at the left edge of the first pixel.

const TYPES = {
  u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array,
  u4: Uint32Array, i4: Int32Array, f4: Float32Array, f8: Float64Array,
};
const MOST_ZOOM = 64, MASK_PIXELS = 4e6, NARROWEST = 1e-3;

function decodeFilm(buffer) {
  const length = new DataView(buffer).getUint32(0, true), start = 4 + length;
  const film = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  film.tables = {};
  for (const [name, [type, offset, count]] of Object.entries(film.sections)) {
    film.tables[name] = new TYPES[type](buffer, start + offset, count);
  }
  film.pixels = film.tables.pixels;
  film.type = film.sections.pixels[0];
  if (film.pixels.length !== film.width * film.height) throw new Error("The film arrived incomplete.");
  film.bytes = buffer.byteLength;
  film.levels = [{ width: film.width, height: film.height, values: film.pixels }];
  return film;
}

class FilmCache {
  constructor(limitBytes = 384e6) {
    this.limit = limitBytes;
    this.films = new Map(); // url -> {promise, film}; the oldest first
    this.queue = [];
    this.busy = false;
  }

  has(url) { return Boolean(this.films.get(url)?.film); }

  load(url) {
    const known = this.films.get(url);
    if (known) {
      this.films.delete(url);
      this.films.set(url, known);
      return known.promise;
    }
    const entry = { film: null, promise: null };
    entry.promise = fetchFilm(url).then(
      (film) => { entry.film = film; this.prune(url); return film; },
      (fault) => { this.films.delete(url); throw fault; },
    );
    this.films.set(url, entry);
    return entry.promise;
  }

  // What was asked for last replaces what still waits: the reader has moved on.
  prefetch(urls) {
    this.queue = urls.filter((url) => url && !this.films.has(url));
    if (!this.busy) this.next();
  }

  async next() {
    this.busy = true;
    while (this.queue.length) {
      const url = this.queue.shift();
      try { await this.load(url); } catch { /* it is told when the film is opened */ }
    }
    this.busy = false;
  }

  prune(kept) {
    let total = 0;
    for (const { film } of this.films.values()) total += film ? film.bytes * 1.4 : 0; // with its smaller levels
    for (const [url, { film }] of this.films) {
      if (total <= this.limit) return;
      if (!film || url === kept) continue;
      total -= film.bytes * 1.4;
      this.films.delete(url);
    }
  }
}

async function fetchFilm(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  const isText = (answer.headers.get("content-type") || "").includes("json");
  if (answer.ok && !isText) return decodeFilm(await answer.arrayBuffer());
  const said = isText ? await answer.json() : {}; // why there is no film, or a plain refusal
  const fault = new Error(said.message || "This link has expired. Reload the page.");
  fault.hint = said.hint || "";
  throw fault;
}

// Values

function rescaledValue(film, stored) {
  const table = film.tables.rescaled;
  return table ? table[stored & 0xffff] : stored * film.slope + film.intercept;
}

function probeFilm(film, x, y) {
  const column = Math.floor(x), row = Math.floor(y);
  if (column < 0 || row < 0 || column >= film.width || row >= film.height) return null;
  const stored = film.pixels[row * film.width + column];
  return { x: column, y: row, stored, rescaled: rescaledValue(film, stored) };
}

// Tones: a table of greys or a window

function startTone(film) {
  return film.own[0] || film.presets[0];
}

function windowTone(center, width, name = "") {
  return { name, center, width, function: "LINEAR_EXACT", tip: "" };
}

function sameTone(one, other) {
  if (!one || !other || (one.shades || "") !== (other.shades || "")) return false;
  return Boolean(one.shades) || (one.center === other.center && one.width === other.width);
}

// The centre and width a tone stands for, from which a drag goes on.
function windowOf(film, tone) {
  if (!tone.shades) return { center: tone.center, width: tone.width };
  const [low, high] = film.range;
  return { center: (low + high) / 2, width: high - low };
}

// How white a rescaled value is shown, 0 to 1 (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3).
function shareFunction({ center, width, function: kind }) {
  if (kind === "SIGMOID") {
    return (x) => 1 / (1 + Math.exp(Math.max(-700, Math.min(700, (-4 * (x - center)) / width))));
  }
  const half = kind === "LINEAR" ? 0.5 : 0, middle = center - half, span = width - 2 * half;
  if (span <= 0) return (x) => (x > middle ? 1 : 0);
  return (x) => Math.max(0, Math.min(1, (x - middle) / span + 0.5));
}

function rounded(x) { // half to even, as numpy
  const up = Math.floor(x + 0.5);
  return up - x === 0.5 && up % 2 ? up - 1 : up;
}

function greyFunction(film, tone, invert) {
  const share = shareFunction(tone), flipped = invert !== film.inverted;
  return (stored) => {
    const grey = rounded(share(rescaledValue(film, stored)) * 255);
    return flipped ? 255 - grey : grey;
  };
}

// Greys by stored value modulo 65,536 (256 for 8 bits); null for wider pixels, which are worked out one by one.
function shadesOf(film, tone, invert) {
  if (!/^[ui][12]$/.test(film.type)) return null;
  const count = film.type[1] === "1" ? 256 : 65536, signed = film.type[0] === "i";
  const made = new Uint8Array(count), flipped = invert !== film.inverted;
  const table = tone.shades && film.tables[tone.shades];
  const grey = table ? null : greyFunction(film, tone, invert);
  for (let i = 0; i < count; i++) {
    const stored = signed && i >= count / 2 ? i - count : i;
    if (table) made[i] = flipped ? 255 - table[stored & 0xffff] : table[stored & 0xffff];
    else made[i] = grey(stored);
  }
  return made;
}

// Pictures smaller than the screen are drawn from means of 2, 4, 8 ... pixels a side, so that a frame never costs
// more than about four pixels per pixel of the screen, however large the film.
function levelOf(film, wanted) {
  while (film.levels.length <= wanted) {
    const last = film.levels[film.levels.length - 1];
    if (last.width < 2 || last.height < 2) break;
    film.levels.push(halved(last));
  }
  const place = Math.min(wanted, film.levels.length - 1);
  return { ...film.levels[place], step: 2 ** place };
}

function halved({ width, height, values }) {
  const across = (width + 1) >> 1, down = (height + 1) >> 1, made = new values.constructor(across * down);
  const whole = !(values instanceof Float32Array || values instanceof Float64Array);
  for (let y = 0, k = 0; y < down; y++) {
    const upper = 2 * y * width, lower = (2 * y + 1 < height ? 2 * y + 1 : 2 * y) * width;
    for (let x = 0; x < across; x++, k++) {
      const left = 2 * x, right = left + 1 < width ? left + 1 : left;
      const sum = values[upper + left] + values[upper + right] + values[lower + left] + values[lower + right];
      made[k] = whole ? Math.round(sum / 4) : sum / 4;
    }
  }
  return { width: across, height: down, values: made };
}

// Layers

function maskPicture(layer, film) {
  const step = Math.max(1, Math.ceil(Math.sqrt((film.width * film.height) / MASK_PIXELS)));
  const width = Math.ceil(film.width / step), height = Math.ceil(film.height / step);
  const held = new Uint8Array(width * height);
  for (let i = 0; i < layer.runs.length; i += 2) {
    const first = layer.runs[i], last = first + layer.runs[i + 1];
    for (let p = first; p < last; ) {
      const row = Math.floor(p / film.width), end = Math.min(last, (row + 1) * film.width);
      const from = Math.floor((p - row * film.width) / step), to = Math.ceil((end - row * film.width) / step);
      held.fill(1, Math.floor(row / step) * width + from, Math.floor(row / step) * width + to);
      p = end;
    }
  }
  const fill = coloured(held, width, height, layer.colour);
  const line = coloured(edges(held, width, height), width, height, layer.colour);
  return { fill, line, step };
}

function edges(held, width, height) {
  const thick = Math.max(1, Math.round(Math.max(width, height) / 700)), made = new Uint8Array(held.length);
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && held[y * width + x];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (held[at] && !(inside(x - thick, y) && inside(x + thick, y) && inside(x, y - thick) && inside(x, y + thick))) {
        made[at] = 1;
      }
    }
  }
  return made;
}

function coloured(held, width, height, colour) {
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
  const picture = context.createImageData(width, height), out = new Uint32Array(picture.data.buffer);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  const ink = (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
  for (let i = 0; i < held.length; i++) if (held[i]) out[i] = ink;
  context.putImageData(picture, 0, 0);
  return canvas;
}

// The pane

class FilmPane {
  constructor(canvas, events = {}) {
    Object.assign(this, { canvas, events, film: null, tone: null, invert: false, layers: [], linked: [], tool: null });
    this.view = { zoom: 1, x: 0, y: 0, turns: 0 };
    this.context = canvas.getContext("2d", { alpha: false });
    this.held = new OffscreenCanvas(1, 1);
    this.drawn = this.held.getContext("2d", { alpha: false });
    this.listening = new AbortController();
    this.sized = new ResizeObserver(() => this.paint());
    this.sized.observe(canvas);
    this.listen();
  }

  show(film, { tone, view, invert } = {}) {
    this.film = film;
    this.tone = tone || startTone(film);
    this.invert = Boolean(invert);
    this.view = { zoom: 1, x: 0, y: 0, turns: 0, ...view };
    this.layers = [];
    this.paint();
  }

  clear() {
    this.film = null;
    this.layers = [];
    this.paint();
  }

  destroy() {
    this.sized.disconnect();
    this.listening.abort();
    cancelAnimationFrame(this.waiting);
    this.film = null;
  }

  setTone(tone) { this.tone = tone; this.paint(); }
  setInvert(invert) { this.invert = invert; this.paint(); }
  rotate(quarters = 1) { this.move({ turns: (this.view.turns + quarters + 4) % 4 }); }
  fit() { this.move({ zoom: 1, x: 0, y: 0 }); }
  reset() {
    if (!this.film) return;
    this.tone = startTone(this.film);
    this.invert = false;
    this.move({ zoom: 1, x: 0, y: 0, turns: 0 });
  }

  move(change) {
    Object.assign(this.view, change);
    for (const other of this.linked) {
      if (other !== this) { Object.assign(other.view, this.view); other.paint(); }
    }
    this.paint();
    this.events.view?.(this.view);
  }

  // Screen pixels of the canvas per film pixel.
  get scale() {
    const turned = this.view.turns % 2, film = this.film;
    const [width, height] = turned ? [film.height, film.width] : [film.width, film.height];
    return Math.min(this.canvas.width / width, this.canvas.height / height) * this.view.zoom;
  }

  transform() {
    const { width, height } = this.film, { x, y, turns } = this.view, scale = this.scale;
    return new DOMMatrix()
      .translateSelf(this.canvas.width / 2, this.canvas.height / 2)
      .rotateSelf(turns * 90)
      .scaleSelf(scale, scale)
      .translateSelf(-(0.5 + x) * width, -(0.5 + y) * height);
  }

  // Film coordinates of a pointer event or of {clientX, clientY}.
  filmPoint(event) {
    const box = this.canvas.getBoundingClientRect(), across = this.canvas.width / (box.width || 1);
    const point = new DOMPoint((event.clientX - box.left) * across, (event.clientY - box.top) * across);
    return this.transform().inverse().transformPoint(point);
  }

  // The same, moved to the nearest point of the film.
  insidePoint(event) {
    const { x, y } = this.filmPoint(event), within = (value, most) => Math.max(0, Math.min(most, value));
    return { x: within(x, this.film.width), y: within(y, this.film.height) };
  }

  // Where a film point lies in the window, the reverse of filmPoint.
  screenPoint(x, y) {
    const box = this.canvas.getBoundingClientRect(), across = this.canvas.width / (box.width || 1);
    const point = this.transform().transformPoint(new DOMPoint(x, y));
    return { clientX: box.left + point.x / across, clientY: box.top + point.y / across };
  }

  zoomBy(factor, event) {
    if (!this.film) return;
    const zoom = Math.max(0.25, Math.min(MOST_ZOOM, this.view.zoom * factor));
    if (!event) return this.move({ zoom });
    const before = this.filmPoint(event);
    this.view.zoom = zoom;
    const after = this.filmPoint(event);
    this.move({
      x: this.view.x + (before.x - after.x) / this.film.width,
      y: this.view.y + (before.y - after.y) / this.film.height,
    });
  }

  panBy(dx, dy) {
    if (!this.film) return;
    const turn = new DOMMatrix().rotateSelf(-this.view.turns * 90);
    const across = this.canvas.width / (this.canvas.getBoundingClientRect().width || 1);
    const step = turn.transformPoint(new DOMPoint(dx * across, dy * across));
    const { width, height } = this.film, scale = this.scale;
    this.move({ x: this.view.x - step.x / scale / width, y: this.view.y - step.y / scale / height });
  }

  windowBy(dx, dy, done = false) {
    if (!this.film) return;
    const { center, width } = windowOf(this.film, this.tone), [low, high] = this.film.range;
    const least = Math.max((high - low) * NARROWEST, Number.MIN_VALUE);
    const step = Math.max(width, (high - low) * 0.05) / 300;
    if (dx || dy) {
      const moved = windowTone(center + dy * step, Math.max(least, width + dx * step * 1.5));
      this.setTone(moved);
    }
    this.events.tone?.(this.tone, done);
  }

  paint() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw(); });
  }

  draw() {
    const begun = performance.now(), { canvas, context } = this, ratio = globalThis.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!this.film) return;
    const matrix = this.transform();
    this.drawPixels(matrix);
    for (const layer of this.layers) if (layer.shown !== false) this.drawLayer(layer, matrix);
    this.tool?.draw(context, matrix, this.film);
    const spent = performance.now() - begun;
    canvas.dataset.painted = String(Number(canvas.dataset.painted || 0) + 1);
    this.events.painted?.(spent);
  }

  drawPixels(matrix) {
    const { film, context } = this, scale = this.scale;
    const level = levelOf(film, Math.max(0, Math.floor(Math.log2(1 / scale) + 1e-9)));
    const part = this.visible(matrix, level);
    if (!part) return;
    this.colour(level, part);
    context.setTransform(matrix);
    context.imageSmoothingEnabled = scale * level.step < 4; // beyond, each stored pixel shows as a square
    context.imageSmoothingQuality = "low";
    const { step } = level;
    // The last column and row of a smaller level may stand for fewer pixels than the others.
    context.save();
    context.beginPath();
    context.rect(0, 0, film.width, film.height);
    context.clip();
    context.drawImage(this.held, 0, 0, part.width, part.height,
      part.left * step, part.top * step, part.width * step, part.height * step);
    context.restore();
  }

  // The part of a level that is on screen, in its own pixels.
  visible(matrix, { width, height, step }) {
    const back = matrix.inverse(), { canvas } = this;
    const corners = [[0, 0], [canvas.width, 0], [0, canvas.height], [canvas.width, canvas.height]]
      .map(([x, y]) => back.transformPoint(new DOMPoint(x, y)));
    const left = Math.max(0, Math.floor(Math.min(...corners.map((p) => p.x)) / step) - 1);
    const top = Math.max(0, Math.floor(Math.min(...corners.map((p) => p.y)) / step) - 1);
    const right = Math.min(width, Math.ceil(Math.max(...corners.map((p) => p.x)) / step) + 1);
    const bottom = Math.min(height, Math.ceil(Math.max(...corners.map((p) => p.y)) / step) + 1);
    return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : null;
  }

  // Turn that part into greys on the canvas held aside. A frame that shows the same again costs nothing.
  colour(level, part) {
    const { film, tone, invert } = this;
    const wanted = { film, tone, invert, step: level.step, ...part };
    if (this.coloured && Object.keys(wanted).every((name) => wanted[name] === this.coloured[name])) return;
    if (this.held.width < part.width || this.held.height < part.height) {
      this.held.width = Math.max(this.held.width, part.width);
      this.held.height = Math.max(this.held.height, part.height);
    }
    if (!this.picture || this.picture.width !== part.width || this.picture.height !== part.height) {
      this.picture = new ImageData(part.width, part.height);
    }
    const out = new Uint32Array(this.picture.data.buffer);
    this.fillGreys(level, part, out);
    this.drawn.putImageData(this.picture, 0, 0);
    this.coloured = wanted;
  }

  fillGreys({ width, values }, part, out) {
    const { film, tone, invert } = this, shades = shadesOf(film, tone, invert);
    const grey = shades ? null : greyFunction(film, tone, invert);
    const inks = Uint32Array.from({ length: shades ? shades.length : 256 }, (_, i) => {
      const shade = shades ? shades[i] : i;
      return (0xff000000 | (shade << 16) | (shade << 8) | shade) >>> 0;
    });
    const mask = inks.length - 1; // a negative value indexes the table from its end
    for (let y = 0, k = 0; y < part.height; y++) {
      let at = (part.top + y) * width + part.left;
      const end = at + part.width;
      if (shades) for (; at < end; at++, k++) out[k] = inks[values[at] & mask];
      else for (; at < end; at++, k++) out[k] = inks[grey(values[at])];
    }
  }

  drawLayer(layer, matrix) {
    const { context, film, scale } = this;
    context.save();
    context.setTransform(matrix);
    if (layer.kind === "mask") {
      layer.picture = layer.picture || maskPicture(layer, film);
      const { fill, line, step } = layer.picture;
      context.imageSmoothingEnabled = true;
      context.globalAlpha = layer.alpha;
      context.drawImage(fill, 0, 0, fill.width * step, fill.height * step);
      context.globalAlpha = 1;
      context.drawImage(line, 0, 0, line.width * step, line.height * step);
    } else {
      const [x, y, w, h] = layer.box, ratio = globalThis.devicePixelRatio || 1;
      context.lineWidth = (2 * ratio) / scale;
      context.strokeStyle = layer.colour;
      context.strokeRect(x, y, w, h);
      this.writeName(layer, matrix);
    }
    context.restore();
  }

  // Names stay upright and of one size however the film is turned or magnified.
  writeName({ name, box: [x, y, w, h], colour }, matrix) {
    const { context } = this, ratio = globalThis.devicePixelRatio || 1;
    const corners = [[x, y], [x + w, y], [x, y + h], [x + w, y + h]]
      .map(([a, b]) => matrix.transformPoint(new DOMPoint(a, b)));
    const left = Math.min(...corners.map((p) => p.x)), top = Math.min(...corners.map((p) => p.y));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.font = `${12 * ratio}px sans-serif`;
    const wide = context.measureText(name).width;
    const above = top > 18 * ratio ? top - 17 * ratio : top;
    context.fillStyle = "rgba(0, 0, 0, 0.65)";
    context.fillRect(left - ratio, above, wide + 8 * ratio, 16 * ratio);
    context.fillStyle = colour;
    context.textBaseline = "top";
    context.fillText(name, left + 3 * ratio, above + 2 * ratio);
  }

  listen() {
    const { canvas } = this, options = { signal: this.listening.signal };
    const on = (kind, act, more = {}) => canvas.addEventListener(kind, act, { ...options, ...more });
    on("pointerdown", (event) => this.grab(event));
    on("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"]) on(kind, (event) => this.drop(event));
    on("pointerleave", () => this.events.probe?.(null));
    on("contextmenu", (event) => event.preventDefault());
    on("dblclick", (event) => this.toggleSize(event));
    on("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-Math.max(-100, Math.min(100, event.deltaY)) / 400), event);
    }, { passive: false });
  }

  grab(event) {
    if (!this.film) return;
    const main = this.tool?.on ? "tool" : "window";
    const kind = event.button === 1 || event.shiftKey ? "pan" : event.button === 2 ? "zoom" : main;
    if (kind === "tool") this.tool.begin(this.insidePoint(event));
    this.hold = { kind, x: event.clientX, y: event.clientY, at: event, moved: false };
    this.canvas.setPointerCapture(event.pointerId);
    if (event.button === 1) event.preventDefault();
  }

  drag(event) {
    if (!this.film) return;
    if (!this.hold || this.hold.kind === "tool") {
      const point = this.filmPoint(event);
      this.events.probe?.(probeFilm(this.film, point.x, point.y));
      if (this.hold) this.tool.drag(this.insidePoint(event));
      return;
    }
    const dx = event.clientX - this.hold.x, dy = event.clientY - this.hold.y;
    if (!dx && !dy) return;
    Object.assign(this.hold, { x: event.clientX, y: event.clientY, moved: true });
    if (this.hold.kind === "pan") this.panBy(dx, dy);
    else if (this.hold.kind === "zoom") this.zoomBy(Math.exp(-dy / 150), this.hold.at);
    else this.windowBy(dx, dy);
  }

  drop() {
    const hold = this.hold;
    this.hold = null;
    if (hold?.kind === "tool" && this.film) this.tool.end(this.scale);
    if (hold?.moved && hold.kind === "window") this.windowBy(0, 0, true);
  }

  // One film pixel on one pixel of the screen, and back.
  toggleSize(event) {
    if (!this.film) return;
    if (this.view.zoom !== 1) this.fit();
    else this.zoomBy(1 / this.scale, event);
  }
}
