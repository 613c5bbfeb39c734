import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { completeSteps } from '../../src/augmentation/steps.ts';
import { checkOptions } from '../../src/common/options.ts';
import { readNifti } from '../../src/formats/nifti.ts';
import { readAugmentation } from '../../src/loader/options/flags.ts';
import { prepareOptions } from '../../src/loader/options/prepare.ts';
import { readStateFile } from '../../src/loader/options/state-file.ts';
import { LOADER_OPTIONS } from '../../src/loader/options/table.ts';
import { defaultConfiguration, readPlans, resolveConfiguration } from '../../src/plans/plans-file.ts';
import { FINGERPRINT_CACHE, readFingerprint } from '../../src/preprocessing/fingerprint-cache.ts';
import { openRawDataset } from '../../src/raw/raw-dataset.ts';
import { type ArrayFormat, caseFiles } from '../../src/store/file-names.ts';
import { openPreviousStage } from '../../src/store/previous-stage.ts';
import { readSplits } from '../../src/store/splits.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { storeConfiguration } from '../../src/store/store-configuration.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { readArray } from '../../src/store/whole-array.ts';
import { readCheckpoint, readNumbers } from '../../src/training/checkpoint.ts';
import { nnunetFolderOf } from '../fixtures/nnunet-folder.ts';
import { type Damage, damageBytes, damageJson, damages } from './damage.ts';
import type { Subject } from './subject.ts';
import { type Campaign, wrongWith } from './tally.ts';

/** One kind of file: how it is damaged, and who reads it. */
interface Target {
  what: string;
  path: string;
  damage: (bytes: Buffer, damage: Damage) => Buffer;
  /** What a refusal names; default: the file. Options out of a file are named as options. */
  named?: string;
  /** Reads and uses it. Returns what is wrong with its having been accepted, or null. @throws what a user would see */
  use: (path: string) => Promise<string | null | undefined>;
}

const json = (bytes: Buffer, damage: Damage): Buffer => damageJson(bytes.toString(), damage);

async function targetsOf({ raw, store, state, augmentation, model }: Subject): Promise<Target[]> {
  const opened = await openStore(store);
  const ids = opened.cases.map(({ id }) => id);
  const weights = [{ name: 'w', shape: [2, 3], offset: 0, size: 6 }] as never;
  const checkpoint = await readCheckpoint(model);
  const sidecar = join(store, 'a.msgpack');
  const beside = join(dirname(raw), 'previous');
  cpSync(store, beside, {
    recursive: true,
    filter: (path) => !path.endsWith('.json') && !path.endsWith('.msgpack') && !/[a-e]\.npy$/.test(path),
  });
  for (const id of ids) cpSync(join(store, `${id}_seg.npy`), join(beside, `${id}.npy`));
  const nifti = join(raw, 'imagesTr', 'a_0000.nii.gz');
  const inflated = join(dirname(raw), 'plain.nii');
  writeFileSync(inflated, gunzipSync(readFileSync(nifti)));
  const cached = join(store, FINGERPRINT_CACHE, 'a.msgpack');
  const [first] = (await openRawDataset(raw)).cases;
  const { settings } = unpack(unpack(readFileSync(cached)).content);
  const fingerprint = await readFingerprint(dirname(cached), first, settings);
  const [blocks, archives] = (['b2nd', 'npz'] as const).map((format) => nnunetFolderOf(opened, join(dirname(raw), format), format));
  for (const folder of [blocks, archives]) await verifyStore(folder);
  return [
    nnunetTarget("nnU-Net's image (.b2nd)", join(blocks, 'a.b2nd'), 'b2nd'),
    nnunetTarget("nnU-Net's labels (.b2nd)", join(blocks, 'a_seg.b2nd'), 'b2nd'),
    nnunetTarget("nnU-Net's properties (.pkl)", join(blocks, 'a.pkl'), 'b2nd'),
    nnunetTarget("nnU-Net's archive (.npz)", join(archives, 'a.npz'), 'npz'),
    { what: 'dataset.json', path: join(raw, 'dataset.json'), damage: json, use: async () => void (await openRawDataset(raw)) },
    {
      what: 'plans',
      path: join(store, 'nnUNetPlans.json'),
      damage: json,
      use: async (path) => {
        const plans = await readPlans(path);
        const { patchSize, batchSize, spacing } = resolveConfiguration(path, plans, defaultConfiguration(plans));
        const sane = [...patchSize, batchSize, ...spacing].every((value) => Number.isFinite(value) && value > 0);
        return sane ? null : 'a configuration that cannot be';
      },
    },
    {
      what: 'splits_final.json',
      path: join(store, 'splits_final.json'),
      damage: json,
      use: async (path) => {
        const splits = (await readSplits(dirname(path), ids)) ?? [];
        return splits.flatMap(({ train, val }) => [...train, ...val]).every((id) => ids.includes(id)) ? null : 'a case that is not there';
      },
    },
    {
      what: 'voxfeed.json',
      path: join(store, 'voxfeed.json'),
      damage: json,
      use: async () => {
        const { hash } = use(await openStore(store));
        const { damaged } = await verifyStore(store);
        return damaged.length === 0 && hash === opened.hash ? null : `opened though it is damaged: ${damaged.map(({ what }) => what)}`;
      },
    },
    {
      what: 'voxfeed.counts',
      path: join(store, 'voxfeed.counts'),
      damage: damageBytes,
      use: async () => {
        const { cases } = await openStore(store);
        const same = cases.every(({ locations }, i) => locations.join() === opened.cases[i].locations.join());
        return same ? null : 'other numbers of locations';
      },
    },
    {
      what: 'sidecar (msgpack)',
      path: sidecar,
      damage: damageBytes,
      use: async () => {
        const { damaged } = await verifyStore(store);
        if (damaged.length === 0) return null;
        const again = await openStore(store);
        // What is sampled from it must be what was written, whatever else it says.
        if (Buffer.compare(Buffer.from(again.flatLocations(0, 0)), Buffer.from(opened.flatLocations(0, 0))) !== 0) return 'other locations';
        return null;
      },
    },
    {
      what: 'fingerprint cache (msgpack)',
      path: cached,
      damage: damageBytes,
      use: async () => {
        const found = await readFingerprint(dirname(cached), first, settings);
        return found === null || JSON.stringify(found) === JSON.stringify(fingerprint) ? null : 'another fingerprint';
      },
    },
    {
      what: 'state',
      path: state,
      named: '',
      damage: json,
      use: async (path) => void (await prepareOptions({ store: opened, state: await readStateFile(path) })),
    },
    {
      what: 'augmentation',
      path: augmentation,
      named: '',
      damage: json,
      use: async (path) => {
        const given = await readAugmentation(path);
        const { augmentation } = checkOptions(LOADER_OPTIONS, { augmentation: given });
        if (Array.isArray(augmentation)) completeSteps(augmentation);
        await prepareOptions({ store: opened, augmentation: given as never });
      },
    },
    { what: 'checkpoint.json', path: join(model, 'checkpoint.json'), damage: json, use: async () => void (await readCheckpoint(model)) },
    {
      what: 'network (safetensors)',
      path: join(model, 'network-2.safetensors'),
      damage: damageBytes,
      use: async () => {
        const { values } = await readNumbers(model, checkpoint as never, weights, 6);
        return values.every(Number.isFinite) ? null : 'numbers that are none';
      },
    },
    { what: 'image (.nii)', path: inflated, damage: damageBytes, use: async (path) => void (await readNifti(path)) },
    {
      what: 'image (.nii.gz)',
      path: join(dirname(raw), 'packed.nii.gz'),
      damage: (bytes, damage) => gzipSync(damageBytes(bytes, { ...damage, at: damage.at * 0.1 })),
      use: async (path) => void (await readNifti(path)),
    },
    {
      what: 'previous stage (.npy)',
      path: join(beside, 'a.npy'),
      damage: (bytes, damage) => damageBytes(bytes, { ...damage, at: damage.at * 0.2 }),
      use: async () => void (await openPreviousStage(beside, opened)),
    },
  ];
}

/** A file of a folder that was verified: whoever reads it refuses it, or `verify` says that it is another. */
function nnunetTarget(what: string, path: string, format: ArrayFormat): Target {
  const [folder, intact] = [dirname(path), readFileSync(path)];
  return {
    what,
    path,
    damage: damageBytes,
    use: async () => {
      const { data, segmentation } = caseFiles(folder, 'a', format);
      use(await openStore(folder));
      readArray(data, format, 'data');
      readArray(segmentation, format, 'seg');
      const { damaged } = await verifyStore(folder);
      return damaged.some((damage) => damage.path === path) || intact.equals(readFileSync(path)) ? null : 'verify finds nothing';
    },
  };
}

/** What a loader asks of a store when it is made. */
function use(store: Store): Store {
  storeConfiguration(store);
  store.location(0, 0, 0);
  return store;
}

/** Damages every kind of file, and has it read as if by a user. */
export async function fuzzFiles(campaign: Campaign, subject: Subject, perKind: number): Promise<void> {
  const targets = await targetsOf(subject);
  for (const target of targets) {
    const row = campaign.row(`damaged ${target.what}`);
    if (target.what === 'image (.nii.gz)') writeFileSync(target.path, readFileSync(join(dirname(target.path), 'plain.nii')));
    const original = readFileSync(target.path);
    const found = new Set<string>();
    const one = fc.asyncProperty(fc.array(damages, { minLength: 1, maxLength: 2 }), async (list) => {
      if (!campaign.goesOn()) return;
      const bytes = list.reduce<Buffer>((bytes, damage) => applied(target, bytes, damage), original);
      writeFileSync(target.path, bytes);
      row.tried++;
      try {
        const wrong = await target.use(target.path);
        if (typeof wrong === 'string') throw new Error(`accepted: ${wrong}`);
        row.done++;
      } catch (error) {
        const wrong = wrongWith(error, target.named ?? basename(target.path));
        if (wrong === null) row.refused++;
        // One of a kind is enough: by where it happens, or else by what is said.
        else if (isNew(found, /at .*src.*:\d+:\d+/.exec(wrong)?.[0] ?? wrong.replace(/[^a-z ]/g, '')))
          row.findings.push(`${JSON.stringify(list)}: ${wrong}`);
      }
    });
    await fc.assert(one, { seed: campaign.seed, numRuns: perKind });
    writeFileSync(target.path, original);
  }
}

/** Damage upon damage: what is no JSON any more is damaged as bytes. */
function applied({ damage }: Target, bytes: Buffer, drawn: Damage): Buffer {
  try {
    return damage(bytes, drawn);
  } catch {
    return damageBytes(bytes, drawn);
  }
}

function isNew(found: Set<string>, key: string): boolean {
  const before = found.size;
  return found.add(key).size > before;
}
