/** What voxels of targets are: int16, as labels are, or a byte that is 0 or 1, which masks may be. */
export const TARGET_BYTES: Readonly<Record<TargetType, number>> = { int16: 2, bool: 1 };
export type TargetType = 'int16' | 'bool';
export const TARGET_TYPES: readonly TargetType[] = ['int16', 'bool'];

/** A target: labels or masks in int16, or masks with `targetType: 'bool'`. */
export type TargetArray<B extends ArrayBufferLike = ArrayBufferLike> = Int16Array<B> | Uint8Array<B>;

/** A view on `length` voxels from `offset` on, in bytes. */
export function targetArray(type: TargetType, buffer: SharedArrayBuffer, offset: number, length: number): TargetArray<SharedArrayBuffer> {
  return type === 'bool' ? new Uint8Array(buffer, offset, length) : new Int16Array(buffer, offset, length);
}
