import { readFileSync } from 'node:fs';

/** Whether a process of this machine runs. One that was ended and whose parent has not looked yet does not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It may run under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // Behind the name in brackets, which may hold anything, stands the state.
    return !/^[ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1) as string);
  } catch {
    // There is no such file: another system.
    return true;
  }
}
