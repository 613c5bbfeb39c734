/** Charts as SVG text: what the pages show, drawn without a browser. Sizes are in pixels. */

/** Okabe and Ito's colours: told apart by people who see colours differently, too. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#f0e442', '#999999', '#000000', '#7f5f2f'];
const WIDTH = 760;
const MARGIN = 20;
const ROW = 24;
const TITLE = 34;
const LETTER = 6.6;

/** A point that is not to be claimed has no y. */
export interface Line {
  name: string;
  points: { x: number; y: number | null }[];
}

export interface Bar {
  name: string;
  /** null: not reliable. */
  value: number | null;
}

export interface Group {
  name: string;
  bars: Bar[];
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const at = (value: number): string => String(Number(value.toFixed(1)));

function text(x: number, y: number, content: string, { anchor = 'start', weight = 'normal', fill = '#222' } = {}): string {
  return `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" font-weight="${weight}" fill="${fill}">${escaped(content)}</text>`;
}

function box(x: number, y: number, width: number, height: number, colour: string, told: string): string {
  const place = `x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}"`;
  return `<rect ${place} fill="${colour}"><title>${escaped(told)}</title></rect>`;
}

function line(x1: number, y1: number, x2: number, y2: number, colour = '#ccc'): string {
  return `<line x1="${at(x1)}" y1="${at(y1)}" x2="${at(x2)}" y2="${at(y2)}" stroke="${colour}"/>`;
}

function page(title: string, height: number, parts: string[]): string {
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${at(height)}" width="${WIDTH}" height="${at(height)}" font-family="sans-serif" font-size="12">`;
  const paper = `<rect width="${WIDTH}" height="${at(height)}" fill="#fff"/>`;
  return `${[open, paper, text(MARGIN, 22, title, { weight: 'bold' }), ...parts, '</svg>'].join('\n')}\n`;
}

/** What colours mean, in as many rows as it takes; and where it ends. */
function legend(names: readonly string[], top: number): { parts: string[]; bottom: number } {
  const parts: string[] = [];
  let [x, y] = [MARGIN, top];
  for (const [i, name] of names.entries()) {
    const width = 30 + LETTER * name.length;
    if (x + width > WIDTH - MARGIN && x > MARGIN) [x, y] = [MARGIN, y + 18];
    parts.push(box(x, y, 11, 11, COLOURS[i % COLOURS.length], name), text(x + 16, y + 10, name));
    x += width;
  }
  return { parts, bottom: y + 24 };
}

/** The numbers of an axis from 0: 1, 2 or 5 times a power of ten, and the last one is not below `most`. */
export function ticks(most: number, count = 5): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999999) as number);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

const shown = (value: number): string => Number(value.toPrecision(3)).toLocaleString('en-GB', { maximumSignificantDigits: 3 });

/** y over x, both from 0. With `ideal`, a thin line from the origin through the point (1, 1). */
export function lineChart({
  title,
  x,
  y,
  lines,
  ideal = false,
}: {
  title: string;
  x: string;
  y: string;
  lines: Line[];
  ideal?: boolean;
}): string {
  const points = lines.flatMap((one) => one.points);
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const most = Math.max(...points.map((point) => point.y ?? 0), ideal ? Math.max(...xs) : 0);
  const marks = ticks(most);
  const { parts, bottom } = legend(
    lines.map(({ name }) => name),
    TITLE,
  );
  const [left, right, top, low] = [MARGIN + 50, WIDTH - MARGIN, bottom + 18, bottom + 278];
  const toX = (value: number): number => left + ((right - left - 20) * value) / Math.max(...xs);
  const toY = (value: number): number => low - ((low - top) * value) / (marks.at(-1) as number);
  for (const mark of marks)
    parts.push(line(left, toY(mark), right, toY(mark)), text(left - 6, toY(mark) + 4, shown(mark), { anchor: 'end' }));
  for (const value of xs)
    parts.push(line(toX(value), low, toX(value), low + 4, '#222'), text(toX(value), low + 18, shown(value), { anchor: 'middle' }));
  if (ideal) parts.push(line(toX(0), toY(0), toX(Math.max(...xs)), toY(Math.max(...xs)), '#888'));
  for (const [i, { name, points: own }] of lines.entries()) {
    const colour = COLOURS[i % COLOURS.length];
    const known = own.filter((point): point is { x: number; y: number } => point.y !== null);
    parts.push(
      `<polyline points="${known.map((point) => `${at(toX(point.x))},${at(toY(point.y))}`).join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    );
    for (const point of known)
      parts.push(
        `<circle cx="${at(toX(point.x))}" cy="${at(toY(point.y))}" r="4" fill="${colour}"><title>${escaped(`${name}, ${point.x}: ${shown(point.y)}`)}</title></circle>`,
      );
  }
  parts.push(text((left + right) / 2, low + 36, x, { anchor: 'middle' }), text(MARGIN, top - 8, y));
  return page(title, low + 50, parts);
}

/** Lying bars in groups, each with its number. Every group has a scale of its own: they are to be compared within. */
export function barChart({ title, about, groups }: { title: string; about: string; groups: Group[] }): string {
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ name }) => name)))];
  const parts = [text(MARGIN, TITLE + 8, about, { fill: '#555' })];
  const left = MARGIN + LETTER * Math.max(...names.map((name) => name.length)) + 12;
  const room = WIDTH - MARGIN - left - 70;
  let y = TITLE + 24;
  for (const { name, bars } of groups) {
    const most = Math.max(...bars.map(({ value }) => value ?? 0));
    parts.push(text(MARGIN, y + 15, name, { weight: 'bold' }));
    y += ROW;
    for (const bar of bars) {
      parts.push(text(left - 8, y + 13, bar.name, { anchor: 'end' }));
      if (bar.value === null) parts.push(text(left, y + 13, 'not reliable', { fill: '#888' }));
      else {
        const width = most > 0 ? Math.max(1, (room * bar.value) / most) : 1;
        parts.push(box(left, y, width, 17, COLOURS[names.indexOf(bar.name) % COLOURS.length], `${name}, ${bar.name}: ${shown(bar.value)}`));
        parts.push(text(left + width + 6, y + 13, shown(bar.value)));
      }
      y += ROW;
    }
    y += 8;
  }
  return page(title, y + 6, parts);
}

/** Lying bars of 100 %, cut into parts. */
export function shareChart({ title, rows }: { title: string; rows: { name: string; parts: { name: string; value: number }[] }[] }): string {
  const names = [...new Set(rows.flatMap((row) => row.parts.map(({ name }) => name)))];
  const { parts: drawn, bottom } = legend(names, TITLE);
  const left = MARGIN + LETTER * Math.max(...rows.map(({ name }) => name.length)) + 12;
  const room = WIDTH - MARGIN - left;
  for (const [i, { name, parts }] of rows.entries()) {
    const total = parts.reduce((sum, { value }) => sum + value, 0);
    const y = bottom + 6 + i * 1.4 * ROW;
    drawn.push(text(left - 8, y + 17, name, { anchor: 'end' }));
    let x = left;
    for (const part of parts) {
      const width = total > 0 ? (room * part.value) / total : 0;
      const percent = `${Math.round((100 * part.value) / total)} %`;
      drawn.push(box(x, y, width, ROW, COLOURS[names.indexOf(part.name) % COLOURS.length], `${name}, ${part.name}: ${percent}`));
      if (width > 34) drawn.push(text(x + width / 2, y + 16, percent, { anchor: 'middle', fill: '#fff' }));
      x += width;
    }
  }
  return page(title, bottom + 14 + rows.length * 1.4 * ROW, drawn);
}
