import { isPlainObject } from './options.ts';

/** Entries of a list that are written in one piece. */
const AT_ONCE = 1000;

/** The text of `JSON.stringify`, in pieces: of what is too large to be in memory twice. */
export function* jsonPieces(value: unknown): Generator<string> {
  if (Array.isArray(value) && value.length > AT_ONCE) yield* listPieces(value);
  else if (isPlainObject(value)) {
    let before = '{';
    for (const [name, entry] of Object.entries(value)) {
      if (entry === undefined) continue;
      yield `${before}${JSON.stringify(name)}:`;
      yield* jsonPieces(entry);
      before = ',';
    }
    yield before === '{' ? '{}' : '}';
  } else yield JSON.stringify(value);
}

/** The same of a list. @param of what is written of an entry */
export function* listPieces<T>(list: readonly T[], of: (entry: T) => unknown = (entry) => entry): Generator<string> {
  if (list.length === 0) yield '[]';
  for (let from = 0; from < list.length; from += AT_ONCE) {
    const text = JSON.stringify(list.slice(from, from + AT_ONCE).map(of));
    yield `${from === 0 ? '[' : ','}${text.slice(1, -1)}${from + AT_ONCE < list.length ? '' : ']'}`;
  }
}
