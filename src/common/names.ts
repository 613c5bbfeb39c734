import { OptionError } from './errors.ts';
import { shown } from './options.ts';
import { that } from './schemas.ts';

/** Of a name, in bytes: endings come to it, and file systems take 255. */
const LONGEST = 200;

/** What keeps a text from being the name of files in a folder, on any system; null if nothing does. */
export function nameFault(name: unknown): string | null {
  if (typeof name !== 'string' || name === '') return 'is no text';
  if (/[/\\]/.test(name)) return 'has a / or \\ in it';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\0-\x1f\x7f]/.test(name)) return 'has a line break or another control character in it';
  if (name.startsWith('.')) return 'begins with a dot';
  if (Buffer.byteLength(name) > LONGEST) return `has more than ${LONGEST} bytes`;
  return null;
}

export const fileName = () =>
  that<string>(
    `a name for a file: up to ${LONGEST} bytes, without / and \\, line breaks and a dot to begin with`,
    (value) => nameFault(value) === null,
  );

/** The same for two names that some file systems take for one: they differ in case, or in how accents are written. */
export function foldedName(name: string): string {
  return name.normalize('NFC').toLowerCase();
}

/** Whether a text is the address of something elsewhere, such as https://…, and no path. A drive's letter is none. */
export function isAddress(text: unknown): text is string {
  return typeof text === 'string' && /^[a-z][a-z0-9+.-]+:\/\//i.test(text);
}

/** @throws OptionError unless it is the text of a path */
export function checkPath(name: string, path: unknown): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw new OptionError(name, `${shown(path)} is not a path`, 'Give the path as a text');
  if (isAddress(path))
    throw new OptionError(name, `${path} is an address`, 'Give a folder of this machine: only stores are streamed from addresses');
}
