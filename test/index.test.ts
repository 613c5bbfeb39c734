import { describe, expect, it } from 'vitest';
import * as voxfeed from '../src/index.ts';

describe('the public surface', () => {
  it('is what it is: adding to it is a decision, taking away breaks users', () => {
    expect(Object.keys(voxfeed).sort()).toEqual([
      'Batch',
      'CaseError',
      'CasesError',
      'ClosedError',
      'DatasetError',
      'FileError',
      'MemoryError',
      'OptionError',
      'PRESETS',
      'PatchLoader',
      'PlansError',
      'SampleError',
      'SharedLoader',
      'StateError',
      'Store',
      'StoreError',
      'VoxfeedError',
      'WorkerError',
      'adviseOversampling',
      'connect',
      'estimateMemory',
      'fingerprint',
      'measureCoverage',
      'openStore',
      'planDataset',
      'planExperiment',
      'preprocess',
      'presetSteps',
      'readDatasetJson',
      'readPlans',
      'replay',
      'resolveConfiguration',
      'share',
      'storeConfiguration',
      'verifyStore',
    ]);
  });
});
