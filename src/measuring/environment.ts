import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** Where figures were measured: they mean nothing without it. */
export interface Environment {
  voxfeed: string;
  node: string;
  platform: string;
  cpu: string;
  cores: number;
  memory_bytes: number;
}

export function environment(): Environment {
  return {
    voxfeed: version(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_bytes: totalmem(),
  };
}

/** The version of this package: package.json lies one folder up from `dist/`, two from the sources. */
export function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version;
    } catch {}
  }
  return 'unknown';
}
