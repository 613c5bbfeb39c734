import zlib from 'node:zlib';
import { undisturbed } from './thread-end.ts';

export const { constants, crc32 } = zlib;

/** What we use of `node:zlib`, in a form that is safe in threads that may be ended at any moment. */
export const createUnzip = safe('createUnzip');
export const deflateSync = safe('deflateSync');
export const gunzipSync = safe('gunzipSync');
export const gzipSync = safe('gzipSync');
export const inflateRawSync = safe('inflateRawSync');
export const inflateSync = safe('inflateSync');
export const unzipSync = safe('unzipSync');
export const zstdCompressSync = safe('zstdCompressSync');
export const zstdDecompressSync = safe('zstdDecompressSync');

type Name = {
  [N in keyof typeof zlib]: (typeof zlib)[N] extends (...values: never[]) => unknown ? N : never;
}[keyof typeof zlib];

function safe<N extends Name>(name: N): (typeof zlib)[N] {
  return ((...values: unknown[]) => undisturbed(() => (zlib[name] as (...values: unknown[]) => unknown)(...values))) as (typeof zlib)[N];
}
