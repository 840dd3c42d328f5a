// Lengths measured by hand: lines from point to point of a film, in millimetres where its spacing is known.
//
//   new Ruler(changed)            a tool of FilmPane; `.on` says whether a drag draws a line, changed() follows each
//                                 .lines = [{from, to}] in film pixels; .undo(); .clear()
//   lengthOf(film, line)          {pixels, mm}; mm is null without spacing
//   lengthsText(film, lines)      what the lines measure, and the first as a share of the second

const MOST_LINES = 6, SHORTEST = 3; // a press without a drag of a few screen pixels is no line
const RULER_INK = "#f0e442";

function lengthOf(film, { from, to }) {
  const across = to.x - from.x, down = to.y - from.y, step = film.spacing_mm;
  return { pixels: Math.hypot(across, down), mm: step ? Math.hypot(across * step[1], down * step[0]) : null };
}

function lengthText({ pixels, mm }) {
  return mm === null ? `${pixels.toFixed(0)} px` : `${mm.toFixed(1)} mm`;
}

function lengthsText(film, lines) {
  const lengths = lines.map((line) => lengthOf(film, line));
  const told = lengths.map((length, at) => `${at + 1}: ${lengthText(length)}`);
  if (lengths.length >= 2) {
    const [first, second] = lengths.map(({ pixels, mm }) => mm ?? pixels);
    told.push(`1 / 2 = ${(first / second).toFixed(3)}`);
  }
  return told.join("\n");
}

class Ruler {
  constructor(changed) {
    Object.assign(this, { changed, on: false, lines: [] });
  }

  clear() { this.lines = []; this.changed(); }
  undo() { this.lines.pop(); this.changed(); }

  begin(point) {
    if (this.lines.length === MOST_LINES) this.lines.shift();
    this.lines.push({ from: point, to: point });
  }

  drag(point) {
    if (!this.lines.length) return; // taken away while it was drawn
    this.lines.at(-1).to = point;
    this.changed();
  }

  end(scale) {
    if (!this.lines.length) return;
    const { from, to } = this.lines.at(-1);
    if (Math.hypot(to.x - from.x, to.y - from.y) * scale < SHORTEST) this.lines.pop();
    this.changed();
  }

  // Lines and numbers keep their size on the screen however the film is turned or magnified.
  draw(context, matrix, film) {
    const ratio = globalThis.devicePixelRatio || 1;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    this.lines.forEach((line, at) => {
      const [a, b] = [line.from, line.to].map((point) => matrix.transformPoint(new DOMPoint(point.x, point.y)));
      for (const [ink, width] of [["#000", 4], [RULER_INK, 2]]) {
        Object.assign(context, { strokeStyle: ink, lineWidth: width * ratio });
        strokeRuler(context, a, b, 6 * ratio);
      }
      const text = `${at + 1}  ${lengthText(lengthOf(film, line))}`;
      context.font = `600 ${13 * ratio}px sans-serif`;
      Object.assign(context, { textBaseline: "middle", lineWidth: 4 * ratio, strokeStyle: "#000", fillStyle: RULER_INK });
      const right = a.x > b.x ? a : b, wide = context.measureText(text).width;
      const x = Math.max(4, Math.min(right.x + 10 * ratio, context.canvas.width - wide - 4 * ratio));
      context.strokeText(text, x, right.y);
      context.fillText(text, x, right.y);
    });
    context.restore();
  }
}

function strokeRuler(context, a, b, tick) {
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  const across = { x: (-(b.y - a.y) / length) * tick, y: ((b.x - a.x) / length) * tick };
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.lineTo(b.x, b.y);
  for (const end of [a, b]) {
    context.moveTo(end.x - across.x, end.y - across.y);
    context.lineTo(end.x + across.x, end.y + across.y);
  }
  context.stroke();
}
