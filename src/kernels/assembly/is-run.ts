/** Whether all of `length` bytes are the same. */
export function isRun(pointer: usize, length: usize): bool {
  const first = v128.load8_splat(pointer);
  const end = pointer + length;
  let at = pointer;
  for (; at + 16 <= end; at += 16) if (v128.any_true(v128.xor(v128.load(at), first))) return false;
  for (; at < end; at++) if (load<u8>(at) != load<u8>(pointer)) return false;
  return true;
}
