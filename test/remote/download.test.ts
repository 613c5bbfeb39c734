import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError, StoreError } from '../../src/common/errors.ts';
import { xxh64 } from '../../src/common/hash.ts';
import { downloadText, type Expected } from '../../src/remote/download.ts';
import { openOrigin } from '../../src/remote/open-origin.ts';
import { type Asked, type Fault, FileServer } from '../fixtures/file-server.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const CONTENTS = Buffer.from(Uint32Array.from({ length: 100_000 }, (_, i) => i * 2_654_435_761).buffer);
writeFileSync(join(dir, 'file 1.npy'), CONTENTS);
const EXPECTED = { bytes: CONTENTS.length, xxh64: await xxh64(CONTENTS) };
const UNKNOWN = { bytes: null, xxh64: null };
const PATIENCE = { tries: 3, pauseMs: 1, silentMs: 10_000 };

/** What comes of a file whose requests go wrong so, and what was asked for. */
async function get(
  fault: (asked: Asked, count: number) => Fault | undefined,
  expected: Expected = EXPECTED,
  patience = PATIENCE,
): Promise<{ bytes?: Buffer; error?: Error; requests: Asked[] }> {
  await using server = await FileServer.start(dir, fault);
  const origin = await openOrigin(server.address);
  const { requests } = server;
  try {
    return { bytes: await downloadText(origin, 'file 1.npy', expected, new AbortController().signal, patience), requests };
  } catch (error) {
    return { error: error as Error, requests };
  }
}

const first =
  (...faults: Fault[]) =>
  (_: Asked, count: number): Fault | undefined =>
    faults[count];

describe('a file from the web', () => {
  it('comes whole', async () => {
    const { bytes, requests } = await get(first());
    expect(bytes?.equals(CONTENTS)).toBe(true);
    expect(requests).toEqual([{ name: 'file 1.npy', from: 0 }]);
  });

  it.each([500, 502, 503, 504, 429, 408])('comes from a server that answers %i at first', async (status) => {
    const { bytes, requests } = await get(first({ status }, { status }));
    expect(bytes?.equals(CONTENTS)).toBe(true);
    expect(requests).toHaveLength(3);
  });

  it('goes on where a connection was cut, however often, as long as something comes each time', async () => {
    const { bytes, requests } = await get(first(...Array(6).fill({ cutAfter: 60_000 })));
    expect(bytes?.equals(CONTENTS)).toBe(true);
    expect(requests).toHaveLength(7);
    const starts = requests.map(({ from }) => from);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(starts[1]).toBeGreaterThan(0);
  });

  it('begins anew where a server gives whole files only', async () => {
    const { bytes, requests } = await get(first({ cutAfter: 200_000 }, { whole: true }));
    expect(requests[1].from).toBeGreaterThan(0);
    expect(bytes?.equals(CONTENTS)).toBe(true);
  });

  it('is asked for again where nothing comes any more', async () => {
    const { bytes, requests } = await get(first({ silentAfter: 100_000 }, { silentAfter: 0 }), EXPECTED, {
      ...PATIENCE,
      tries: 9,
      silentMs: 300,
    });
    expect(bytes?.equals(CONTENTS)).toBe(true);
    expect(requests.length).toBeGreaterThanOrEqual(3);
  });

  it.each<[string, Fault, RegExp]>([
    ['answers 500', { status: 500 }, /store\/file%201\.npy: it cannot be had: the server answers HTTP 500, 3 times\./],
    ['cuts connections', { cutAfter: 0 }, /it cannot be had: .*, 3 times\./],
    ['is silent', { silentAfter: 0 }, /it cannot be had: nothing came for 0\.05 s, 3 times\./],
  ])('is given up where a server always %s', async (_, fault, message) => {
    const { error, requests } = await get(() => fault, EXPECTED, { ...PATIENCE, silentMs: fault.silentAfter === undefined ? 10_000 : 50 });
    expect(error).toBeInstanceOf(FileError);
    expect(error?.message).toMatch(message);
    expect(requests).toHaveLength(3);
  });

  it.each<[string, Fault, typeof StoreError | typeof FileError, RegExp]>([
    ['missing', { status: 404 }, StoreError, /the file is missing \(HTTP 404\)/],
    ['not for everybody', { status: 403 }, FileError, /nobody without leave may read it \(HTTP 403\)/],
    ['asked for in a wrong way', { status: 400 }, FileError, /the server answers HTTP 400/],
    ['too short', { contents: CONTENTS.subarray(1) }, StoreError, /it holds 399999 bytes instead of 400000/],
    ['too long', { contents: Buffer.concat([CONTENTS, Buffer.alloc(5)]) }, StoreError, /it holds 400005 bytes instead of 400000/],
    [
      'another one of that size',
      { contents: Buffer.alloc(CONTENTS.length) },
      StoreError,
      /its contents are not those that the index lists/,
    ],
  ])('is refused at once where it is %s', async (_, fault, Kind, message) => {
    const { error, requests } = await get(() => fault);
    expect(error).toBeInstanceOf(Kind);
    expect(error?.message).toMatch(message);
    expect(requests).toHaveLength(1);
  });

  it.each([EXPECTED, UNKNOWN])('is not put together from two states of it: %j', async (expected) => {
    const { error } = await get(first({ cutAfter: 200_000 }, { etag: '"two"' }), expected);
    expect(error).toBeInstanceOf(StoreError);
    expect(error?.message).toMatch(/it was changed while it was read/);
  });

  it('comes from where the server sends on to, also the rest of it', async () => {
    const there = { location: '/store/file%201.npy' };
    const { bytes, requests } = await get(first(there, { cutAfter: 200_000 }, there, there));
    expect(bytes?.equals(CONTENTS)).toBe(true);
    expect(requests).toHaveLength(5);
    expect(requests[4].from).toBeGreaterThan(0);
    expect(requests[4].from).toBe(requests[2].from);
  });

  it.each<[string, string, RegExp, number]>([
    ['in a circle', '/store/file%201.npy', /the server sends on to another address, more than 5 times in a row/, 6],
    ['to what is not encrypted', 'http://example.org/a?token=hunter2', /the server sends on to http:\/\/example\.org, not to https/, 1],
    ['to another kind of place', 'file:///etc/passwd', /the server sends on to file:\/\/, not to https/, 1],
    ['to nowhere', 'https://', /the server sends on to what is no address/, 1],
  ])('is refused at once where the server sends on %s', async (_, location, message, count) => {
    const { error, requests } = await get(() => ({ location }));
    expect(error).toBeInstanceOf(FileError);
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toMatch(/hunter2/);
    expect(requests).toHaveLength(count);
  });

  it('comes by the connection that the one before came by', async () => {
    await using server = await FileServer.start(dir);
    const origin = await openOrigin(server.address);
    for (let i = 0; i < 3; i++) await downloadText(origin, 'file 1.npy', EXPECTED, new AbortController().signal, PATIENCE);
    expect(server.connections).toBe(1);
  });

  it('is not waited for any more when nobody wants it', async () => {
    const end = new AbortController();
    await using server = await FileServer.start(dir, () => ({ silentAfter: 10 }));
    const got = downloadText(await openOrigin(server.address), 'file 1.npy', EXPECTED, end.signal);
    end.abort(new Error('enough'));
    await expect(got).rejects.toThrow('enough');
  });
});

describe('an address', () => {
  it.each<[string, RegExp]>([
    ['http://example.org/store', /is not encrypted/],
    ['ftp://example.org/store', /is of a kind that is not known/],
    ['https://', /is not an address/],
    ['https://example.org/store?token=hunter2', /the address of example\.org has more than a host and a folder/],
    ['https://me:hunter2@example.org/store', /the address of example\.org has more than a host and a folder/],
  ])('%s is refused, and shows no secret', async (address, message) => {
    await expect(openOrigin(address)).rejects.toMatchObject({ name: 'OptionError', where: 'store', what: expect.stringMatching(message) });
    await expect(openOrigin(address)).rejects.not.toThrow(/hunter2/);
  });
});
