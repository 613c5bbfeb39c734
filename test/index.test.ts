import { describe, expect, it } from 'vitest';
import * as voxfeed from '../src/index.ts';

describe('the public surface', () => {
  it('is what it is: adding to it is a decision, taking away breaks users', () => {
    expect(Object.keys(voxfeed).sort()).toEqual([
      'Batch',
      'CaseError',
      'CasesError',
      'CheckpointError',
      'ClosedError',
      'DatasetError',
      'FileError',
      'GpuError',
      'MemoryError',
      'OptionError',
      'PRESETS',
      'PatchLoader',
      'PlansError',
      'Predictor',
      'SampleError',
      'SharedLoader',
      'StateError',
      'Store',
      'StoreError',
      'Trainer',
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
      'readCheckpoint',
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
