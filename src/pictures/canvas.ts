import { encode } from 'fast-png';
import { writeText } from './font.ts';
import type { Colour } from './palette.ts';

/** A small RGB picture to draw on. Coordinates outside it are ignored. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #pixels: Uint8Array;

  constructor(width: number, height: number, background: Colour) {
    this.width = width;
    this.height = height;
    this.#pixels = new Uint8Array(3 * width * height);
    this.rectangle(0, 0, width, height, background);
  }

  pixel(x: number, y: number, [red, green, blue]: Colour): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = 3 * (y * this.width + x);
    this.#pixels[at] = red;
    this.#pixels[at + 1] = green;
    this.#pixels[at + 2] = blue;
  }

  rectangle(left: number, top: number, width: number, height: number, colour: Colour): void {
    for (let y = top; y < top + height; y++) for (let x = left; x < left + width; x++) this.pixel(x, y, colour);
  }

  /** A frame of `thickness` around, outside of, a rectangle. */
  frame(left: number, top: number, width: number, height: number, thickness: number, colour: Colour): void {
    this.rectangle(left - thickness, top - thickness, width + 2 * thickness, thickness, colour);
    this.rectangle(left - thickness, top + height, width + 2 * thickness, thickness, colour);
    this.rectangle(left - thickness, top, thickness, height, colour);
    this.rectangle(left + width, top, thickness, height, colour);
  }

  text(left: number, top: number, text: string, colour: Colour, scale = 1): void {
    writeText(text, (x, y) => this.rectangle(left + x * scale, top + y * scale, scale, scale, colour));
  }

  png(): Uint8Array {
    return encode({ width: this.width, height: this.height, data: this.#pixels, channels: 3, depth: 8 });
  }
}
