/**
 * Values out of the text of command-line flags, for `Option.read`. What a reader cannot read it returns as it is: the option's schema
 * refuses it, and shows it as it was typed.
 */

export function readNumber(text: string): unknown {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? text : value;
}

/** A number of GiB as whole bytes. */
export function readGigabytes(text: string): unknown {
  const value = readNumber(text);
  return typeof value === 'number' ? Math.floor(value * 1024 ** 3) : value;
}

/** "40,56,40" or "40x56x40". */
export function readSizes(text: string): unknown {
  const sizes = text.split(/[,x]/).map(readNumber);
  return sizes.every((size) => typeof size === 'number') ? sizes : text;
}

/** "NAME=0.4,OTHER=1"; names may have "=" in them. */
export function readByName(text: string): unknown {
  const entries = text.split(',').map((entry) => {
    const [, name, value] = /^(.+)=([^=]+)$/.exec(entry.trim()) ?? [];
    return [name, name === undefined ? undefined : readNumber(value)];
  });
  return entries.every(([name]) => name !== undefined) ? Object.fromEntries(entries) : text;
}

/** "0:0.5,10000:0.33" as pairs. */
export function readPairs(text: string): unknown {
  const pairs = text.split(',').map((pair) => pair.split(':').map(readNumber));
  return pairs.every((pair) => pair.length === 2 && pair.every((part) => typeof part === 'number')) ? pairs : text;
}

/** "on" or "off". */
export function readSwitch(text: string): unknown {
  return text === 'on' || text === 'off' ? text === 'on' : text;
}
