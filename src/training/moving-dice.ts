/** How much of the moving mean is that of the epoch before, and how much the epoch's own. */
const [BEFORE, OWN] = [0.9, 0.1];

/**
 * nnU-Net's `ema_fg_dice`, which its best checkpoint goes by: the mean pseudo-Dice of the classes that there are, in a moving mean over
 * the epochs that begins with the first one's. An epoch without validation, or without any foreground in it, leaves it as it was.
 * @param before of the epoch before; null: there was none
 */
export function movingDice(before: number | null, pseudoDice: readonly (number | null)[] | null): number | null {
  const known = (pseudoDice ?? []).filter((value) => value !== null);
  if (known.length === 0) return before;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return before === null ? mean : before * BEFORE + OWN * mean;
}
