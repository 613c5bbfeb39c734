import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { encode } from 'fast-png';
import { keepReplacedCode } from '../common/replaced-code.ts';
import type { Colour } from './palette.ts';

/** The file of the font, Inter. `npm run build:view` copies it here; the page of `voxfeed view` has it from here, too. */
export const FONT_FILE = join(import.meta.dirname, 'inter.woff2');
const FAMILY = 'Inter Variable';
export const FONT_SIZE = 14;
export const LINE = 20;
/** Of letters, in parts of their size: more than most texts need. */
const MEAN_WIDTH = 0.56;
/** Pixels of the PNG for each of the drawing: sharp on screens that have more of them, and not twice as large a file. */
const ZOOM = 1.5;

/** A run of a text in a colour of its own. */
export interface Run {
  text: string;
  colour: Colour;
  /** Of its letters. */
  size?: number;
}

/** What a text takes, about: there is no asking before it is drawn. */
export function widthOf(text: string): number {
  return Math.ceil(MEAN_WIDTH * FONT_SIZE * text.length);
}

/** A picture of shapes and letters, in SVG: what is asked for later lies above. Lengths are in pixels. */
export class Drawing {
  readonly width: number;
  readonly height: number;
  readonly #parts: string[] = [];

  constructor(width: number, height: number, background: Colour) {
    this.width = width;
    this.height = height;
    this.rectangle(0, 0, width, height, background);
  }

  rectangle(left: number, top: number, width: number, height: number, colour: Colour): void {
    this.#parts.push(`<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="${css(colour)}"/>`);
  }

  /** A frame of `thickness` around, outside of, a rectangle. */
  frame(left: number, top: number, width: number, height: number, thickness: number, colour: Colour): void {
    const out = thickness / 2;
    this.#parts.push(
      `<rect x="${left - out}" y="${top - out}" width="${width + thickness}" height="${height + thickness}" rx="${thickness}" fill="none" stroke="${css(colour)}" stroke-width="${thickness}"/>`,
    );
  }

  /** A line of text whose letters stand in the middle of `LINE`. @param most cut off, with an ellipsis, where it takes more */
  text(left: number, top: number, text: string, colour: Colour, most = Number.POSITIVE_INFINITY): void {
    const fitting = Math.floor(most / (MEAN_WIDTH * FONT_SIZE));
    this.runs(left, top, [{ text: text.length <= fitting ? text : `${text.slice(0, Math.max(0, fitting - 1))}…`, colour }]);
  }

  /** Runs in one line, one behind the other. */
  runs(left: number, top: number, runs: readonly Run[]): void {
    const spans = runs.map(
      ({ text, colour, size = FONT_SIZE }) => `<tspan fill="${css(colour)}" font-size="${size}">${escaped(text)}</tspan>`,
    );
    const baseline = top + LINE / 2 + 0.36 * FONT_SIZE;
    this.#parts.push(
      `<text x="${left}" y="${baseline}" font-family="${FAMILY}" font-size="${FONT_SIZE}" xml:space="preserve">${spans.join('')}</text>`,
    );
  }

  /** Grey values, row by row, enlarged smoothly. */
  grey(left: number, top: number, width: number, height: number, pixels: Uint8Array, columns: number): void {
    const png = encode({ width: columns, height: pixels.length / columns, data: pixels, channels: 1, depth: 8 });
    const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
    this.#parts.push(
      `<image x="${left}" y="${top}" width="${width}" height="${height}" preserveAspectRatio="none" image-rendering="optimizeQuality" href="${source}"/>`,
    );
  }

  /** Lines, as x0, y0, x1, y1 of one after the other. */
  lines(left: number, top: number, lines: readonly number[], thickness: number, colour: Colour): void {
    const path: string[] = [];
    for (let i = 0; i < lines.length; i += 4) path.push(`M${lines[i]} ${lines[i + 1]}L${lines[i + 2]} ${lines[i + 3]}`);
    this.#parts.push(
      `<path transform="translate(${left} ${top})" d="${path.join('')}" stroke="${css(colour)}" stroke-width="${thickness}" stroke-linecap="round" fill="none"/>`,
    );
  }

  svg(): string {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}">${this.#parts.join('\n')}</svg>`;
  }

  /** @returns the bytes of a PNG of one and a half times its width and height, the same on every machine: the font is ours */
  async png(): Promise<Uint8Array> {
    const font = await prepare();
    const options = { fontBuffers: [font], defaultFontFamily: FAMILY };
    using rendered = disposable(new Resvg(this.svg(), { font: options, fitTo: { mode: 'zoom', value: ZOOM } }));
    using image = disposable(rendered.value.render());
    return image.value.asPng();
  }
}

let prepared: Promise<Uint8Array> | undefined;

/** Loads the renderer and the font, once. */
function prepare(): Promise<Uint8Array> {
  const load = async (): Promise<Uint8Array> => {
    const module = createRequire(import.meta.url).resolve('@resvg/resvg-wasm/index_bg.wasm');
    keepReplacedCode();
    await initWasm(await readFile(module));
    return readFile(FONT_FILE);
  };
  prepared ??= load();
  return prepared;
}

/** Its memory is WebAssembly's, which nobody collects. */
function disposable<T extends { free(): void }>(value: T): { value: T } & Disposable {
  return { value, [Symbol.dispose]: () => value.free() };
}

const css = ([red, green, blue]: Colour): string => `rgb(${red},${green},${blue})`;

const ESCAPES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
/** What XML has no way to say: names of cases and classes are whatever somebody wrote. */
const UNSPEAKABLE = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;
const escaped = (text: string): string => text.replace(UNSPEAKABLE, '\uFFFD').replace(/[&<>]/g, (letter) => ESCAPES[letter]);
