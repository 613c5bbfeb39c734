/** Replaces label `from` by `to` among `count` int16 labels. Returns 1 if any label is above 0 then, plus 2 if any is below. */
import { found } from './labels-found';

export function replaceLabel(labels: usize, count: usize, from: i32, to: i32): i32 {
  const wanted = i16x8.splat(<i16>from);
  const instead = i16x8.splat(<i16>to);
  let highest = i16x8.splat(0);
  let lowest = highest;
  let high: i32 = 0;
  let low: i32 = 0;
  const wide = count & ~7;
  let i: usize = 0;
  for (; i < wide; i += 8) {
    const at = labels + (i << 1);
    const seen = v128.load(at);
    const made = v128.bitselect(instead, seen, i16x8.eq(seen, wanted));
    v128.store(at, made);
    highest = i16x8.max_s(highest, made);
    lowest = i16x8.min_s(lowest, made);
  }
  for (; i < count; i++) {
    const at = labels + (i << 1);
    const seen: i32 = load<i16>(at);
    const made = seen == from ? to : seen;
    store<i16>(at, <i16>made);
    high = max(high, made);
    low = min(low, made);
  }
  return found(highest, lowest, high, low);
}
