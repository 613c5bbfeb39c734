import { StoreError } from '../../common/errors.ts';
import { KERNEL_BYTES } from '../../kernels/kernels.ts';
import { type OpenFile, readExactly } from '../read-exactly.ts';
import { BlockDecoder } from './block.ts';
import { CHUNK_HEAD_BYTES, parseChunk } from './chunk.ts';
import { REMEDY } from './remedy.ts';

/** Chunks of a file that are read at most: their index takes 8 MiB. */
export const MOST_CHUNKS = 2 ** 20;
/** What an index has at least. */
export const INDEX_HEAD_BYTES = CHUNK_HEAD_BYTES;
/** Bytes of an entry. */
const ENTRY = 8;
const MOST_BYTES = ENTRY * MOST_CHUNKS;
const PAGE = 64 * 1024;

/** The memory of this thread that indices are decoded in: their bytes, two areas for a block. Pages that are not touched cost nothing. */
interface Workspace {
  bytes: Uint8Array;
  decoder: BlockDecoder;
}

let workspace: Workspace | undefined;

function openWorkspace(): Workspace {
  const pages = (KERNEL_BYTES + 4 * MOST_BYTES) / PAGE;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return { bytes: new Uint8Array(memory.buffer), decoder: new BlockDecoder(memory) };
}

/**
 * Reads the index of a file, a chunk as any other that holds an int64 for each of the file's.
 * @param at where it begins in the file
 */
export function decodeIndex(file: OpenFile, at: number, fileBytes: number, chunks: number): { values: BigInt64Array; bytes: Uint8Array } {
  const { path } = file;
  const name = 'index of chunks';
  const start = new Uint8Array(CHUNK_HEAD_BYTES);
  readExactly(file, start, 0, start.length, at);
  const view = new DataView(start.buffer);
  const [blockBytes, stored] = [view.getInt32(8, true), view.getInt32(12, true)];
  const size = ENTRY * chunks;
  // An index that does not pay is stored as it is.
  if (blockBytes < 1 || blockBytes > size || stored < CHUNK_HEAD_BYTES || stored > Math.min(fileBytes - at, 2 * MOST_BYTES))
    throw new StoreError(path, `its ${name} says that it has ${stored} bytes, and blocks of ${blockBytes}`, REMEDY);
  const bytes = new Uint8Array(stored);
  readExactly(file, bytes, 0, stored, at);
  const sizes = { chunkBytes: size, blockBytes, typesize: ENTRY };
  const chunk = parseChunk(path, name, bytes, stored, sizes);

  workspace ??= openWorkspace();
  const { bytes: memory, decoder } = workspace;
  const [source, ...areas] = [0, 2, 3].map((part) => KERNEL_BYTES + part * MOST_BYTES);
  const values = new Uint8Array(size);
  memory.set(bytes, source);
  for (let done = 0, block = 0; done < size; done += blockBytes, block++) {
    const [from, length] = [source + chunk.starts[block], chunk.ends[block] - chunk.starts[block]];
    const task = { path, name, chunk, source: from, length, size: Math.min(blockBytes, size - done), blockBytes, typesize: ENTRY };
    let decoded = areas[0];
    if (chunk.special) decoder.fill(chunk, ENTRY, decoded, task.size);
    else decoded = decoder.decode({ ...task, areas: areas as [number, number] });
    values.set(memory.subarray(decoded, decoded + task.size), done);
  }
  return { values: new BigInt64Array(values.buffer), bytes };
}
