import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { syncFolder } from '../common/atomic-file.ts';
import { FileError, fileError, OptionError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { makeFolders } from '../common/folders.ts';
import { tryLock } from '../common/lock-file.ts';
import { checkPath } from '../common/names.ts';

/** Files that come and leave together. */
export interface Item {
  /** Says what they hold: 16 hexadecimal digits. Other contents have another. */
  key: string;
  /** What they take; an estimate where that is not known. */
  bytes: number;
  files: readonly { name: string; bytes: number | null }[];
}

/** Says that a folder is ours, and may be cleared. */
const MARK = '.voxfeed-local-cache';
/** Items that are there, by key and size; those that are being copied end in PARTIAL, those that leave begin with LEAVING. */
const ITEMS = 'items';
const NAME = /^[0-9a-f]{16}-(\d+)(\.partial)?$/;
const PARTIAL = '.partial';
const LEAVING = 'leaving-';
const LOCKS = 'locks';
/** How often who waits for another's copy looks. */
const LOOK_MS = 200;
/** Of the room there is, this much more is cleared than is needed, so that the next items need not. */
const SLACK = 0.05;
const FULL = ['ENOSPC', 'EDQUOT'];

/**
 * A folder of copies on a local disk, for all processes of the machine. An item is there whole or not at all: it is copied under another
 * name, by one process at a time, and renamed. Whoever reads items makes hard links to their files first: then the system counts who
 * has an item, and takes nothing from them, whoever clears the folder. Items that nobody has leave when there is no room, the one first
 * that was used least recently.
 */
export class CacheFolder {
  readonly dir: string;
  readonly #bytes: number;
  /** Whether copies take more, because somebody has them. */
  #over = false;

  /** @throws OptionError for a folder that holds other things, or cannot be used; FileError */
  static async open(dir: string, bytes: number): Promise<CacheFolder> {
    checkPath('localCache.dir', dir);
    const folder = new CacheFolder(resolve(dir), bytes);
    const names = (await ifThere(folder.dir, readdir(folder.dir))) ?? [];
    if (names.length > 0 && !names.includes(MARK))
      throw new OptionError(
        'localCache.dir',
        `${folder.dir} holds other files`,
        'Give a folder of its own: what is in it is removed when room is short',
      );
    await folder.make();
    await folder.#refuseWithoutLinks();
    await folder.#clearLeft();
    await folder.#makeRoom();
    return folder;
  }

  private constructor(dir: string, bytes: number) {
    this.dir = dir;
    this.#bytes = bytes;
  }

  /** Makes the folder, also where somebody has removed it. */
  async make(): Promise<void> {
    await makeFolders(this.dir);
    // Before anything else is there: whoever opens the folder meanwhile would take it for somebody else's.
    await this.#trying(() => writeFile(join(this.dir, MARK), ''));
    for (const name of [ITEMS, LOCKS]) await makeFolders(join(this.dir, name));
  }

  async #trying<T>(use: () => Promise<T>): Promise<T> {
    try {
      return await use();
    } catch (error) {
      throw fileError(this.dir, error);
    }
  }

  async #refuseWithoutLinks(): Promise<void> {
    const probe = join(this.dir, `${LEAVING}${randomUUID()}`);
    try {
      await link(join(this.dir, MARK), probe);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (FULL.includes(code ?? '')) throw fileError(this.dir, error);
      throw new OptionError(
        'localCache.dir',
        `the file system of ${this.dir} has no hard links (${code})`,
        'Give a folder on a local disk',
        { cause: error },
      );
    } finally {
      await rm(probe, { force: true });
    }
  }

  /** What killed processes were copying, or taking away. */
  async #clearLeft(): Promise<void> {
    for (const name of await this.#names()) {
      if (name.startsWith(LEAVING)) await this.#remove(name);
      if (!name.endsWith(PARTIAL)) continue;
      await using lock = await tryLock(join(this.dir, LOCKS), name.slice(0, 16));
      if (lock !== null) await this.#remove(name);
    }
  }

  async #names(): Promise<string[]> {
    return (await ifThere(this.dir, readdir(join(this.dir, ITEMS)))) ?? [];
  }

  async #remove(name: string): Promise<void> {
    await this.#trying(() => rm(this.#path(name), { recursive: true, force: true }));
  }

  #path(name: string): string {
    return join(this.dir, ITEMS, name);
  }

  async has(item: Item): Promise<boolean> {
    return (await ifThere(this.dir, stat(this.#path(nameOf(item))))) !== null;
  }

  /** Links the files of an item into a folder of the same disk. @returns whether they are there, and have their sizes */
  async take(item: Item, into: string): Promise<boolean> {
    // Twice: it may have come after the first look, whole, and is not to be taken for a damaged one.
    for (const isLast of [false, true]) {
      if (await this.#link(item, into)) return true;
      await this.giveBack(item, into);
      if (!(await this.has(item))) return false;
      if (isLast) await this.#discard(nameOf(item));
    }
    return false;
  }

  async #link(item: Item, into: string): Promise<boolean> {
    const folder = this.#path(nameOf(item));
    try {
      for (const { name, bytes } of item.files) {
        const path = join(into, name);
        await rm(path, { force: true });
        await link(join(folder, name), path);
        const { size } = await stat(path);
        if (bytes !== null && size !== bytes) return false;
      }
      const now = new Date();
      await utimes(folder, now, now);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(into, error);
      return false;
    }
  }

  /** Removes what `take` made. */
  async giveBack(item: Item, into: string): Promise<void> {
    for (const { name } of item.files) await rm(join(into, name), { force: true }).catch(() => {});
    if (this.#over) await this.#makeRoom();
  }

  /** The same, and the item leaves: it is not what it should be. */
  async drop(item: Item, into: string): Promise<void> {
    await this.giveBack(item, into);
    await this.#discard(nameOf(item));
  }

  /** At once for whoever looks for it. */
  async #discard(name: string): Promise<void> {
    const leaving = `${LEAVING}${randomUUID()}`;
    try {
      await rename(this.#path(name), this.#path(leaving));
    } catch {
      // It has left, or another takes it away.
      return;
    }
    await this.#remove(leaving);
  }

  /**
   * Adds an item, unless it is there or comes by another hand, which is waited for.
   * @param fill writes its files into a folder
   * @throws what `fill` throws; FileError
   */
  async add(item: Item, fill: (dir: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    await this.make();
    for (;;) {
      await using lock = await tryLock(join(this.dir, LOCKS), item.key);
      if (await this.has(item)) return;
      if (lock !== null) return await this.#copy(item, fill);
      await pause(LOOK_MS, undefined, { signal });
    }
  }

  async #copy(item: Item, fill: (dir: string) => Promise<void>): Promise<void> {
    const name = nameOf(item);
    const partial = this.#path(name + PARTIAL);
    try {
      await this.#remove(name + PARTIAL);
      await this.#trying(() => mkdir(partial));
      // It counts from now on, for other processes too.
      await this.#makeRoom();
      try {
        await fill(partial);
      } catch (error) {
        // The disk may have less room than was said.
        if (!isFull(error) || (await this.#clear(item.bytes)) === 0) throw error;
        await fill(partial);
      }
      await this.#trying(() => rename(partial, this.#path(name)));
      await this.#trying(() => syncFolder(join(this.dir, ITEMS)));
    } catch (error) {
      await this.#remove(name + PARTIAL).catch(() => {});
      throw error;
    }
  }

  async #makeRoom(): Promise<void> {
    const total = (await this.#names()).reduce((sum, name) => sum + bytesOf(name), 0);
    this.#over = total > this.#bytes && total - (await this.#clear(total - this.#bytes * (1 - SLACK))) > this.#bytes;
  }

  /** Removes items that nobody has. @returns how many bytes that makes */
  async #clear(bytes: number): Promise<number> {
    const found: { name: string; usedMs: number }[] = [];
    for (const name of await this.#names()) {
      if (!NAME.test(name) || name.endsWith(PARTIAL)) continue;
      const about = await ifThere(this.dir, stat(this.#path(name)));
      if (about !== null) found.push({ name, usedMs: about.mtimeMs });
    }
    found.sort((a, b) => a.usedMs - b.usedMs);
    let cleared = 0;
    for (const { name } of found) {
      if (cleared >= bytes) break;
      if (await this.#isTaken(name)) continue;
      await this.#discard(name);
      cleared += bytesOf(name);
    }
    return cleared;
  }

  /** Whoever reads it has links. Whoever makes some while it leaves has either all of its files or copies it again. */
  async #isTaken(name: string): Promise<boolean> {
    const files = (await ifThere(this.dir, readdir(this.#path(name)))) ?? [];
    for (const file of files) if (((await ifThere(this.dir, stat(join(this.#path(name), file))))?.nlink ?? 0) > 1) return true;
    return false;
  }
}

function nameOf({ key, bytes }: Item): string {
  return `${key}-${bytes}`;
}

function bytesOf(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? 0);
}

/** Whether the disk, or the user's share of it, is full. */
export function isFull(error: unknown): error is FileError {
  return error instanceof FileError && FULL.includes((error.cause as NodeJS.ErrnoException | undefined)?.code ?? '');
}
