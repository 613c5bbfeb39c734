import { describe, expect, it } from 'vitest';
import { CaseError, CasesError, FileError, fileError, pack, unpack, VoxfeedError } from '../../src/common/errors.ts';

describe('errors', () => {
  it('say where, what and what to do, under a stable code', () => {
    const error = new CaseError('a.nii', 'it is empty', 'Fill it');
    expect(error).toMatchObject({
      name: 'CaseError',
      code: 'VOXFEED_BAD_CASE',
      where: 'a.nii',
      what: 'it is empty',
      action: 'Fill it',
      message: 'a.nii: it is empty. Fill it',
    });
    expect(error).toBeInstanceOf(VoxfeedError);
  });

  it('keep class, fields and stack on the way between threads', () => {
    const error = new CaseError('a.nii', 'it is empty', 'Fill it');
    const back = unpack(structuredClone(pack(error)));
    expect(back).toBeInstanceOf(CaseError);
    expect(back).toMatchObject({ code: error.code, where: error.where, what: error.what, action: error.action, stack: error.stack });
  });

  it('of other kinds keep their message', () => {
    expect(unpack(pack(new TypeError('no'))).message).toBe('no');
    expect(unpack(pack('thrown string')).message).toBe('thrown string');
  });

  it('of the system get the file and a hint', () => {
    const system = Object.assign(new Error("ENOSPC: no space left on device, write 'x'"), { code: 'ENOSPC' });
    const error = fileError('store/a.npy', system);
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(/^store\/a\.npy: no space left on device \(ENOSPC\)\. Free some space/);
    const own = new CaseError('a', 'b', 'c');
    expect(fileError('x', own)).toBe(own);
    const bug = new TypeError('a bug');
    expect(fileError('x', bug)).toBe(bug);
  });

  it('of many cases are listed, up to twenty', () => {
    const errors = Array.from({ length: 25 }, (_, i) => new CaseError(`case ${i}`, 'bad', 'Mend'));
    const { message } = new CasesError('data', errors);
    expect(message).toContain('25 cases');
    expect(message).toContain('case 19');
    expect(message).not.toContain('case 20');
    expect(message).toContain('and 5 more');
  });
});
