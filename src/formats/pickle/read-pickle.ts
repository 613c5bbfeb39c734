import { StoreError } from '../../common/errors.ts';
import { ByteReader } from './byte-reader.ts';
import { NumpyArray } from './numpy-array.ts';
import { OPCODES as OP, showOpcode } from './opcodes.ts';
import { build, call, Dtype, EmptyArray, findGlobal, Global } from './python-objects.ts';

/** No case of nnU-Net has more than five levels. */
const DEEPEST = 50;
/** It keeps this many at most; and whoever walks through what was read comes by as many, however often one of them is used. */
const MOST_VALUES = 1_000_000;

/** What is known of a value without walking through it. */
interface Measure {
  levels: number;
  values: number;
  /** May be a key of a dict. */
  fixed: boolean;
  /** Holds a type or function: an argument, nothing to hand out. */
  inner: boolean;
}

const NOTHING: Measure = { levels: 1, values: 1, fixed: true, inner: false };

/**
 * Reads a pickle as nnU-Net's `.pkl` files are: numbers, text, tuples, lists, dicts and NumPy's arrays and numbers. A pickle is a
 * program; this knows the few instructions that make those (protocols 2 to 5), runs nothing, and refuses all others by name.
 *
 * A dict becomes a Map, a list an array, a tuple a frozen array (as a key of a Map, too: `for … of` finds it), None null, bytes a view
 * of the file, an array a `NumpyArray`, a number of NumPy a number. Integers beyond 2^53 are refused. Nothing holds itself, it has
 * 50 levels and a million values at most, and arrays take no more than the file does.
 * @throws StoreError naming `path`, what is wrong and at which byte
 */
export function readPickle(path: string, bytes: Uint8Array): unknown {
  const machine = new PickleMachine(new ByteReader(bytes));
  try {
    return machine.run();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new StoreError(
      path,
      `it is damaged, or not a file of nnU-Net: ${error.message} (byte ${machine.at}${machine.code === null ? '' : `, ${showOpcode(machine.code)}`})`,
      'Preprocess its case again',
      { cause: error },
    );
  }
}

/** Instructions that put one value on the stack. */
const VALUES: Record<number, (reader: ByteReader) => unknown> = {
  [OP.NONE]: () => null,
  [OP.NEWTRUE]: () => true,
  [OP.NEWFALSE]: () => false,
  [OP.BININT1]: (reader) => reader.uint8(),
  [OP.BININT2]: (reader) => reader.uint16(),
  [OP.BININT]: (reader) => reader.int32(),
  [OP.LONG1]: (reader) => reader.integer(reader.uint8()),
  [OP.BINFLOAT]: (reader) => reader.float64(),
  [OP.SHORT_BINUNICODE]: (reader) => reader.text(reader.uint8()),
  [OP.BINUNICODE]: (reader) => reader.text(reader.uint32()),
  [OP.SHORT_BINBYTES]: (reader) => reader.bytes(reader.uint8()),
  [OP.BINBYTES]: (reader) => reader.bytes(reader.uint32()),
  [OP.BINBYTES8]: (reader) => reader.bytes(reader.uint64()),
  [OP.BYTEARRAY8]: (reader) => reader.bytes(reader.uint64()),
  [OP.GLOBAL]: (reader) => findGlobal(reader.line(), reader.line()),
};

class PickleMachine {
  readonly #reader: ByteReader;
  readonly #stack: unknown[] = [];
  /** How long the stack was at each mark. */
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();
  readonly #measures = new Map<unknown, Measure>();
  /** Made, and not yet part of anything: only these are changed, so nothing comes to hold itself. */
  readonly #open = new Set<unknown>();
  #arrayBytes = 0;
  /** Where the instruction is that runs, and its opcode once it is read. */
  at = 0;
  code: number | null = null;

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  run(): unknown {
    const reader = this.#reader;
    if (reader.left < 2 || reader.uint8() !== OP.PROTO) throw new RangeError('it does not begin as a pickle');
    const protocol = reader.uint8();
    if (protocol < 2 || protocol > 5) throw new RangeError(`it has protocol ${protocol}, not 2 to 5`);
    for (;;) {
      this.at = reader.position;
      this.code = null;
      this.code = reader.uint8();
      if (this.code === OP.STOP) return this.#result();
      this.#step(this.code);
    }
  }

  #result(): unknown {
    const value = this.#pop();
    if (this.#stack.length > 0 || this.#marks.length > 0) throw new RangeError('something is left over at its end');
    if (this.#reader.left > 0) throw new RangeError(`${this.#reader.left} bytes follow its end`);
    this.#refuseInner(value);
    return this.#put(value, { ...NOTHING });
  }

  #step(code: number): void {
    if (this.#stack.length + this.#marks.length + this.#memo.size + this.#measures.size > MOST_VALUES)
      throw new RangeError(`it holds more than ${MOST_VALUES} values`);
    const value = VALUES[code];
    const instruction = this.#instructions[code];
    if (value !== undefined) this.#stack.push(value(this.#reader));
    else if (instruction !== undefined) instruction();
    else throw new RangeError('no case of nnU-Net needs this instruction');
  }

  readonly #instructions: Record<number, () => void> = {
    [OP.FRAME]: () => this.#reader.expect(this.#reader.uint64()),
    [OP.MARK]: () => void this.#marks.push(this.#stack.length),
    [OP.EMPTY_TUPLE]: () => this.#tuple([]),
    [OP.TUPLE1]: () => this.#tuple(this.#popped(1)),
    [OP.TUPLE2]: () => this.#tuple(this.#popped(2)),
    [OP.TUPLE3]: () => this.#tuple(this.#popped(3)),
    [OP.TUPLE]: () => this.#tuple(this.#marked()),
    [OP.EMPTY_LIST]: () => this.#make([]),
    [OP.APPEND]: () => this.#append(this.#popped(1)),
    [OP.APPENDS]: () => this.#append(this.#marked()),
    [OP.EMPTY_DICT]: () => this.#make(new Map()),
    [OP.SETITEM]: () => this.#set(this.#popped(2)),
    [OP.SETITEMS]: () => this.#set(this.#marked()),
    [OP.MEMOIZE]: () => this.#memoize(this.#memo.size),
    [OP.BINPUT]: () => this.#memoize(this.#reader.uint8()),
    [OP.LONG_BINPUT]: () => this.#memoize(this.#reader.uint32()),
    [OP.BINGET]: () => this.#get(this.#reader.uint8()),
    [OP.LONG_BINGET]: () => this.#get(this.#reader.uint32()),
    [OP.STACK_GLOBAL]: () => {
      const [module, name] = this.#popped(2);
      this.#stack.push(findGlobal(module, name));
    },
    [OP.REDUCE]: () => {
      const [callee, given] = this.#popped(2);
      this.#reduce(call(callee, given));
    },
    [OP.BUILD]: () => {
      const [state] = this.#popped(1);
      const target = this.#top();
      build(target, state);
      if (target instanceof EmptyArray) this.#count(target.filled as NumpyArray);
    },
  };

  /** Puts something on the stack that may be changed while it is there. */
  #make(value: object): void {
    this.#measures.set(value, { ...NOTHING, fixed: false, inner: value instanceof Dtype });
    this.#open.add(value);
    this.#stack.push(value);
  }

  #reduce(value: unknown): void {
    if (value instanceof NumpyArray) this.#count(value);
    if (value instanceof NumpyArray || typeof value !== 'object' || value === null) this.#stack.push(value);
    else this.#make(value);
  }

  #pop(): unknown {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) throw new RangeError('it takes more than there is');
    return this.#stack.pop();
  }

  #popped(count: number): unknown[] {
    return Array.from({ length: count }, () => this.#pop()).reverse();
  }

  #marked(): unknown[] {
    const mark = this.#marks.pop();
    if (mark === undefined) throw new RangeError('it goes back to a mark that it did not set');
    return this.#stack.splice(mark);
  }

  /** What is to be changed. */
  #top(): unknown {
    const target = this.#pop();
    if (!this.#open.has(target)) throw new RangeError('it changes what cannot be changed, or no longer');
    this.#stack.push(target);
    return target;
  }

  #tuple(values: unknown[]): void {
    const measure = { ...NOTHING };
    const tuple = Object.freeze(values.map((value) => this.#put(value, measure)));
    this.#measures.set(tuple, measure);
    this.#stack.push(tuple);
  }

  #append(values: unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw new RangeError('it appends to what is no list');
    for (const value of values) list.push(this.#put(value, this.#measure(list)));
    this.#refuseInner(list);
  }

  #set(pairs: unknown[]): void {
    const dict = this.#top();
    if (!(dict instanceof Map) || pairs.length % 2 !== 0) throw new RangeError('it sets entries of what is no dict');
    for (let i = 0; i < pairs.length; i += 2) {
      if (!this.#measure(pairs[i]).fixed) throw new RangeError('its key is no number, text or tuple of such');
      dict.set(this.#put(pairs[i], this.#measure(dict)), this.#put(pairs[i + 1], this.#measure(dict)));
    }
    this.#refuseInner(dict);
  }

  #refuseInner(value: unknown): void {
    if (this.#measure(value).inner) throw new RangeError('it holds a type or function');
  }

  /** Makes a value part of another, whose measure grows. */
  #put(value: unknown, into: Measure): unknown {
    const { levels, values, fixed, inner } = this.#measure(value);
    this.#open.delete(value);
    into.levels = Math.max(into.levels, levels + 1);
    into.values += values;
    into.fixed &&= fixed;
    into.inner ||= inner;
    if (into.levels > DEEPEST) throw new RangeError(`it is nested more than ${DEEPEST} levels deep`);
    if (into.values > MOST_VALUES) throw new RangeError(`it holds more than ${MOST_VALUES} values`);
    if (!(value instanceof EmptyArray)) return value;
    if (value.filled === null) throw new RangeError('its array has no elements');
    return value.filled;
  }

  #measure(value: unknown): Measure {
    const simple = typeof value !== 'object' || value === null;
    return this.#measures.get(value) ?? { ...NOTHING, fixed: simple, inner: value instanceof Global };
  }

  #memoize(index: number): void {
    const value = this.#pop();
    this.#stack.push(value);
    this.#memo.set(index, value);
  }

  #get(index: number): void {
    if (!this.#memo.has(index)) throw new RangeError(`it kept nothing as number ${index}`);
    const value = this.#memo.get(index);
    if (this.#open.has(value)) throw new RangeError('it holds itself');
    this.#stack.push(value);
  }

  /** The same bytes may not become many arrays. */
  #count({ data }: NumpyArray): void {
    this.#arrayBytes += data.byteLength;
    if (this.#arrayBytes > this.#reader.length) throw new RangeError('it has arrays larger than the file');
  }
}
