/** Names with commas between them, all where none are given. @throws Error for one that there is not */
export function chosen(flag: string, given: string | undefined, known: readonly string[]): readonly string[] {
  const names = given?.split(',') ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${flag} ${unknown}: there are ${known.join(', ')}`);
  return names;
}
