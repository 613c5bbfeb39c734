/** Names with commas between them, all where none are given. @throws Error for one that there is not */
export function chosen(flag: string, given: string | undefined, known: readonly string[]): readonly string[] {
  const names = given?.split(',') ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${flag} ${unknown}: there are ${known.join(', ')}`);
  return names;
}

/** A flag's whole number, from 1. @throws Error for anything else */
export function countOf(flag: string, given: string): number {
  const count = Number(given);
  if (!Number.isInteger(count) || count < 1) throw new Error(`${flag} ${given}: give a whole number from 1`);
  return count;
}
