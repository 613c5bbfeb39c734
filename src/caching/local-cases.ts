import { symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { publish } from '../common/channels.ts';
import { ClosedError, FileError, OptionError, StoreError } from '../common/errors.ts';
import { mapFiles } from '../common/files.ts';
import { makeFolders } from '../common/folders.ts';
import { type Checksum, hasher } from '../common/hash.ts';
import { isAddress } from '../common/names.ts';
import { openOrigin } from '../remote/open-origin.ts';
import { type Origin, UPLOAD } from '../remote/origin.ts';
import { refuseChanged } from '../store/remote-store.ts';
import { readSidecarFile, type Sidecar } from '../store/sidecar.ts';
import type { Store } from '../store/store.ts';
import { isListed, wasWritten } from '../store/store-index.ts';
import { CacheFolder } from './cache-folder.ts';
import { arrayBytes, type CaseItem, type CaseItems, itemsOf } from './case-items.ts';
import { copyItem } from './copy-item.ts';
import { Lanes } from './lanes.ts';
import { type Ahead, Prefetcher } from './prefetcher.ts';
import { openSession } from './session.ts';

/** Copies under way at once. */
const LANES = 4;
/** An item that leaves so often before it can be held never will be. */
const TRIES = 5;

/** Files of an item that somebody reads. */
interface Held {
  count: number;
  /** Until they are where they are read, or gone from there. */
  settled: Promise<void>;
}

/**
 * The cases of a store, copied to a local disk when they are needed first. `store` reads them there: those that are held, and no others.
 */
export class LocalCases implements AsyncDisposable {
  /** The same store, read from copies. */
  readonly store: Store;
  readonly #origin: Origin;
  readonly #isFolder: boolean;
  readonly #items: (caseNumber: number) => CaseItems;
  readonly #checksum: Checksum;
  /** Keys of the sidecars that were looked at. */
  readonly #sound = new Set<string>();
  readonly #folder: CacheFolder;
  readonly #bytes: number;
  readonly #session: { dir: string } & AsyncDisposable;
  readonly #held = new Map<string, Held>();
  readonly #copies = new Map<string, Promise<void>>();
  readonly #lanes = new Lanes(LANES);
  /** What is copied, or waits for a lane, for batches to come. */
  readonly #ahead = new Set<Promise<void>>();
  #warned = false;
  readonly #end = new AbortController();

  /**
   * @param bytes what copies may take, together with those of others in that folder
   * @throws OptionError for a folder that cannot be used, or too few bytes; FileError
   */
  static async open(store: Store, { dir, bytes }: { dir: string; bytes: number }): Promise<LocalCases> {
    const checksum = await hasher();
    const items = itemsOf(store, checksum);
    const { cases, arrays } = store.index;
    const largest = cases.reduce((most, next) => (arrayBytes(next, arrays) > arrayBytes(most, arrays) ? next : most));
    if (arrayBytes(largest, arrays) > bytes)
      throw new OptionError(
        'localCache.bytes',
        `case ${largest.id} alone takes ${arrayBytes(largest, arrays)} bytes, and ${bytes} are allowed`,
        'Allow more: best as many as the whole store takes',
      );
    const origin = await openOrigin(store.dir);
    const folder = await CacheFolder.open(dir, bytes);
    const session = await openSession(folder.dir);
    return new LocalCases(store, origin, items, checksum, folder, bytes, session);
  }

  private constructor(
    store: Store,
    origin: Origin,
    items: (caseNumber: number) => CaseItems,
    checksum: Checksum,
    folder: CacheFolder,
    bytes: number,
    session: { dir: string } & AsyncDisposable,
  ) {
    this.store = store.readFrom(session.dir);
    this.#origin = origin;
    this.#isFolder = !isAddress(store.dir);
    this.#items = items;
    this.#checksum = checksum;
    this.#folder = folder;
    this.#bytes = bytes;
    this.#session = session;
  }

  /**
   * How a stream holds the cases of its batches, and goes ahead of them.
   * @param streams how many there are, which share the room
   */
  streamOf({ casesOf, caseCount }: Pick<Ahead, 'casesOf' | 'caseCount'>, streams: number): (batch: number) => Promise<Disposable> {
    const prefetcher = new Prefetcher(
      {
        casesOf,
        caseCount,
        bytesOf: (caseNumber) => this.#items(caseNumber).arrays.bytes,
        bring: (caseNumber) => {
          const copies = this.#lanes.run(() => this.#copyMissing(caseNumber), false).finally(() => this.#ahead.delete(copies));
          this.#ahead.add(copies);
        },
      },
      this.#bytes / 2 / streams,
    );
    return async (batch) => {
      const held = await this.hold(casesOf(batch));
      prefetcher.follow(batch);
      return held;
    };
  }

  /** Sees to it that cases are there until what is returned is disposed. @throws StoreError, FileError, ClosedError */
  async hold(cases: readonly number[]): Promise<Disposable> {
    const items = [...new Set(cases)].flatMap((caseNumber) => {
      const { arrays, sidecar } = this.#items(caseNumber);
      return sidecar === null ? [arrays] : [sidecar, arrays];
    });
    return this.#holdItems(items);
  }

  /** The same for all that is planned with: sidecars of cases, no voxels. */
  async holdSidecars(cases: Iterable<number>): Promise<Disposable> {
    return this.#holdItems([...cases].flatMap((caseNumber) => this.#items(caseNumber).sidecar ?? []));
  }

  async #holdItems(items: readonly CaseItem[]): Promise<Disposable> {
    const errors = await mapFiles(items, (item) =>
      this.#hold(item).then(
        () => null,
        (error) => error as Error,
      ),
    );
    const release = (): void => items.forEach((item, i) => void (errors[i] === null && this.#release(item)));
    const error = errors.find((found) => found !== null);
    if (error === undefined) return { [Symbol.dispose]: release };
    release();
    throw error;
  }

  async #hold(item: CaseItem): Promise<void> {
    const held = this.#held.get(item.key) ?? { count: 0, settled: Promise.resolve() };
    this.#held.set(item.key, held);
    if (held.count++ === 0) held.settled = held.settled.then(() => this.#bring(item));
    try {
      await held.settled;
    } catch (error) {
      this.#release(item);
      throw error;
    }
  }

  #release(item: CaseItem): void {
    const held = this.#held.get(item.key) as Held;
    if (--held.count > 0) return;
    held.settled = held.settled
      .catch(() => {})
      .then(() => this.#folder.giveBack(item, this.#session.dir))
      // Nobody waits for it. Whatever is wrong is told to who holds an item next.
      .catch(() => {})
      .then(() => {
        if (held.count === 0) this.#held.delete(item.key);
      });
  }

  async #bring(item: CaseItem): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (await this.#folder.take(item, this.#session.dir)) {
        if (this.#isSound(item)) return;
        await this.#folder.drop(item, this.#session.dir);
      }
      try {
        await (this.#copies.get(item.key) ?? this.#lanes.run(() => this.#copy(item), true));
      } catch (error) {
        if (await this.#readInPlace(item, error)) return;
        throw error;
      }
      // Somebody may have removed all of it.
      await makeFolders(this.#session.dir);
    }
    throw new FileError(this.#folder.dir, 'copies leave it before they can be read', 'Give it more bytes, or a folder that nobody clears');
  }

  /** Where the cache is what is wrong, and the store is a folder, that is slow and no more. @returns whether it can be done */
  async #readInPlace(item: CaseItem, error: unknown): Promise<boolean> {
    if (!this.#isFolder || !(error instanceof FileError) || !error.where.startsWith(this.#folder.dir)) return false;
    try {
      await makeFolders(this.#session.dir);
      await this.#folder.giveBack(item, this.#session.dir);
      for (const { name } of item.files) await symlink(resolve(this.#origin.place(name)), join(this.#session.dir, name));
    } catch {
      return false;
    }
    if (!this.#warned)
      process.emitWarning(`${error.where}: ${error.what}. Cases are read from the store itself, as long as this is so.`, 'VoxfeedWarning');
    this.#warned = true;
    return true;
  }

  /** Once, however many wait for it. */
  #copy(item: CaseItem): Promise<void> {
    const underWay = this.#copies.get(item.key);
    if (underWay !== undefined) return underWay;
    const { signal } = this.#end;
    if (signal.aborted) return Promise.reject(signal.reason);
    const copy = this.#folder.add(item, (dir) => this.#fill(item, dir, signal), signal).finally(() => this.#copies.delete(item.key));
    this.#copies.set(item.key, copy);
    return copy;
  }

  async #fill(item: CaseItem, dir: string, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    const { index, cases } = this.store;
    try {
      const bytes = await copyItem(this.#origin, item, dir, signal);
      const { sidecar } = this.#items(item.caseNumber);
      if (item === sidecar) {
        this.#checkSidecar(item, dir);
        this.#sound.add(item.key);
      }
      publish('voxfeed:copy', () => ({ caseId: cases[item.caseNumber].id, bytes, ms: performance.now() - start }));
    } catch (error) {
      // Of a store that was written anew, files are not what they were: that is what is to be said.
      if (error instanceof StoreError && wasWritten(index))
        await refuseChanged(this.#origin, index, signal).catch((changed) => {
          if (changed instanceof StoreError) throw changed;
        });
      throw error;
    }
  }

  /** Sidecars of other processes, or of weeks ago, may have been damaged since, and no size tells: each is looked at once. */
  #isSound(item: CaseItem): boolean {
    if (item !== this.#items(item.caseNumber).sidecar || this.#sound.has(item.key)) return true;
    try {
      this.#checkSidecar(item, this.#session.dir);
    } catch {
      return false;
    }
    this.#sound.add(item.key);
    return true;
  }

  /** What no hash in the index says. @throws StoreError */
  #checkSidecar({ caseNumber, files: [{ name }] }: CaseItem, dir: string): void {
    const action = this.#isFolder ? 'Run `voxfeed preprocess` again; it replaces damaged files' : UPLOAD;
    const damaged = (what: string): StoreError => new StoreError(this.#origin.place(name), what, action);
    let sidecar: Sidecar;
    try {
      sidecar = readSidecarFile(join(dir, name), this.#checksum);
    } catch (error) {
      throw error instanceof StoreError ? damaged(error.what) : error;
    }
    if (!isListed(this.#checksum, sidecar, this.store.cases[caseNumber])) throw damaged('its class locations are not those of the index');
  }

  /** What fails here fails again when somebody waits for it. */
  async #copyMissing(caseNumber: number): Promise<void> {
    const { arrays, sidecar } = this.#items(caseNumber);
    try {
      for (const item of sidecar === null ? [arrays] : [sidecar, arrays]) if (!(await this.#folder.has(item))) await this.#copy(item);
    } catch {}
  }

  /** Ends what is being copied; what is there stays, for the next. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(
      new ClosedError('loader', 'it was closed while cases were copied', 'Create a new loader; `state()` says where to continue'),
    );
    await Promise.allSettled([...this.#copies.values(), ...this.#ahead]);
    // Who was still waiting hears of it, and gives back what it has.
    for (let seen: Promise<void>[] = []; ; ) {
      const settled = [...this.#held.values()].map((held) => held.settled);
      if (settled.every((promise) => seen.includes(promise))) break;
      await Promise.allSettled(settled);
      await setImmediate();
      seen = settled;
    }
    await this.#session[Symbol.asyncDispose]();
  }
}
