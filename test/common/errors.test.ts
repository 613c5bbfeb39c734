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

  it.each([
    [-122, /^f: disk quota exceeded \(EDQUOT\)\. Your quota is used up/],
    [-116, /^f: stale file handle: .* \(ESTALE\)\. Mount the folder anew/],
    [-117, /\(EUCLEAN\)\. The disk or its file system is damaged/],
    [-74, /\(EBADMSG\)\. The disk or its file system is damaged/],
    [-37, /^f: no locks available \(ENOLCK\)/],
    [-127, /\(EKEYEXPIRED\)\. Log in to the file server/],
    [-4095, /^f: the system reports an error that has no name here \(errno 4095\)\. Check/],
  ])('of the system that Node has no name for are told by their number: %d', (errno, said) => {
    const code = `Unknown system error ${errno}`;
    const system = Object.assign(new Error(`${code}: ${code}, read`), { code, errno });
    expect(fileError('f', system)).toMatchObject({ name: 'FileError', where: 'f', message: expect.stringMatching(said), cause: system });
  });

  it('of the system that Node names say what it says, and what to do', () => {
    const failing = (code: string, text: string) =>
      fileError('f', Object.assign(new Error(`${code}: ${text}, open 'f'`), { code })).message;
    expect(failing('EROFS', 'read-only file system')).toBe(
      'f: read-only file system (EROFS). It cannot be written to: choose another place',
    );
    expect(failing('EREMOTEIO', 'remote I/O error')).toMatch(/\(EREMOTEIO\)\. Check the file server/);
    expect(failing('EXDEV', 'cross-device link')).toBe('f: cross-device link (EXDEV). Check the file and the disk it is on');
    const own = Object.assign(new TypeError('The "path" argument must be of type string'), { code: 'ERR_INVALID_ARG_TYPE' });
    expect(fileError('f', own)).toBe(own);
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
