import { Command, Option as Flag } from 'commander';
import { MemoryError, OptionError, StateError, type VoxfeedError, WorkerError } from '../common/errors.ts';
import { type Checked, checkOptions, faultOf, type Given, type Option, type OptionTable, shown } from '../common/options.ts';

/** The command line itself is wrong: it is answered with how the command is used, and status 2. */
export class UsageError extends Error {}

/** One command of the command line, whose flags come from tables of options. */
export class TableCommand extends Command {
  #table: OptionTable = {};
  /** Whether its product are files; else it is what it prints. */
  makesFiles = false;

  withFiles(): this {
    this.makesFiles = true;
    return this;
  }

  /** Adds the flags of those options that have one. */
  flags(table: OptionTable): this {
    this.#table = { ...this.#table, ...table };
    for (const option of Object.values(table)) {
      if (option.flag === undefined) continue;
      const otherwise = option.otherwise ?? (isSaid(option.default) ? String(option.default) : undefined);
      this.addOption(new Flag(taking(option.flag), option.help + (otherwise === undefined ? '' : `; default: ${otherwise}`)));
    }
    return this;
  }

  /** What was given of a table's options, checked. @throws UsageError */
  async given<T extends OptionTable>(table: T): Promise<Given<T>> {
    const values: Record<string, unknown> = {};
    for (const [name, option] of Object.entries<Option>(table)) {
      if (option.flag === undefined) continue;
      const raw: unknown = this.getOptionValue(new Flag(taking(option.flag)).attributeName());
      if (raw === undefined) continue;
      values[name] = typeof raw === 'string' && option.read ? await this.#read(option.read, raw) : raw;
      if (option.typed !== undefined && faultOf(option.schema, values[name]) !== null)
        throw new UsageError(`${this.#flagOf(name)}: ${shown(raw)} is not ${option.typed}`);
    }
    this.#checked(table, values);
    return values as Given<T>;
  }

  /** The same, with defaults. @throws UsageError */
  async checked<T extends OptionTable>(table: T): Promise<Checked<T>> {
    return this.#checked(table, await this.given(table));
  }

  async #read(read: NonNullable<Option['read']>, text: string): Promise<unknown> {
    try {
      return await read(text);
    } catch (error) {
      throw error instanceof OptionError ? new UsageError(this.inFlags(error)) : error;
    }
  }

  #checked<T extends OptionTable>(table: T, values: object): Checked<T> {
    try {
      return checkOptions(table, values);
    } catch (error) {
      throw error instanceof OptionError ? new UsageError(this.inFlags(error)) : error;
    }
  }

  /** An error's message as whoever typed the command should read it: with flags in the place of options. */
  inFlags({ name: kind, where, message }: VoxfeedError): string {
    // What another error is about may be called like an option, and be a file.
    const isOption = [OptionError, MemoryError, StateError, WorkerError].some(({ name }) => name === kind);
    const [, name, within] = (isOption ? /^(\w+)(.*)$/s.exec(where) : null) ?? [];
    const flag = name === undefined ? undefined : this.#flagOf(name);
    const rest = this.flagged(message.slice(where.length));
    return flag === undefined ? where + rest : flag + within + rest;
  }

  /** A text about options, about flags. */
  flagged(text: string): string {
    return text.replace(/`(\w+)`/g, (quoted, option) => this.#flagOf(option) ?? quoted);
  }

  /** '--seed', of the option `seed`. */
  #flagOf(name: string): string | undefined {
    const flag = Object.hasOwn(this.#table, name) ? this.#table[name].flag : undefined;
    return flag === undefined ? undefined : (new Flag(taking(flag)).long ?? undefined);
  }
}

/** '--seed N' as commander has it: '--seed <N>'. */
function taking(flag: string): string {
  return flag.replace(/ ([^[<].*)$/, ' <$1>');
}

/** Other defaults go without saying. */
function isSaid(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'string';
}
