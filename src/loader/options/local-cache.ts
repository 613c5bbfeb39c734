import { isPlainObject } from '../../common/options.ts';

/** Where cases are copied to, and how many bytes all copies there may take. */
export interface LocalCache {
  dir: string;
  bytes: number;
}

export function isLocalCache(value: unknown): value is LocalCache {
  if (!isPlainObject(value) || Object.keys(value).some((name) => name !== 'dir' && name !== 'bytes')) return false;
  const { dir, bytes } = value;
  return typeof dir === 'string' && dir !== '' && !dir.includes('\0') && Number.isSafeInteger(bytes) && (bytes as number) > 0;
}

const UNITS = 'kmgt';

/** "DIR:200GB" or "DIR:1.5TiB". */
export function readLocalCache(text: string): unknown {
  const [, dir, size, unit = '', binary] = /^(.+):(\d+(?:\.\d+)?) ?(?:([kmgt])(i)?)?b?$/i.exec(text.trim()) ?? [];
  if (dir === undefined) return text;
  const power = unit === '' ? 0 : UNITS.indexOf(unit.toLowerCase()) + 1;
  return { dir, bytes: Math.floor(Number(size) * (binary === undefined ? 1000 : 1024) ** power) };
}
