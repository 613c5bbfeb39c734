import { decodeElements, type ElementType, elementBytes, fromFortranOrder, isElementType, NumpyArray } from './numpy-array.ts';

/** A name that a pickle asks Python for. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** `numpy.dtype`, which gets its byte order after it is made. */
export class Dtype {
  readonly element: ElementType;
  ordered = false;

  constructor(element: ElementType) {
    this.element = element;
  }
}

/** `numpy.ndarray`, which gets its elements after it is made. */
export class EmptyArray {
  filled: NumpyArray | null = null;
}

/** What a pickle may ask for; NumPy 1 called `numpy._core` `numpy.core`. Nothing of it is run. */
const GLOBALS = [
  'numpy.dtype',
  'numpy.ndarray',
  'numpy._core.multiarray._reconstruct',
  'numpy._core.multiarray.scalar',
  // Since protocol 5, Python's own from 3.14 on.
  'numpy._core.numeric._frombuffer',
];

/** @throws RangeError for anything but NumPy's arrays and numbers */
export function findGlobal(module: unknown, name: unknown): Global {
  const full = `${module}.${name}`.replace(/^numpy\.core\./, 'numpy._core.');
  if (typeof module !== 'string' || typeof name !== 'string' || !GLOBALS.includes(full))
    throw new RangeError(`it asks for ${JSON.stringify(`${module}.${name}`)}, which no case of nnU-Net needs`);
  return new Global(full);
}

/** What calling a global gives. @throws RangeError unless the arguments are those that NumPy writes */
export function call(callee: unknown, given: unknown): unknown {
  if (!(callee instanceof Global) || !Array.isArray(given)) throw new RangeError('it calls what is no function');
  const [first, second, third, fourth] = given;
  switch (callee.name) {
    case 'numpy.dtype':
      if (!isElementType(first)) throw new RangeError(`it has elements of type ${JSON.stringify(first)}`);
      return new Dtype(first);
    case 'numpy._core.multiarray._reconstruct':
      if (!(first instanceof Global) || first.name !== 'numpy.ndarray') break;
      return new EmptyArray();
    case 'numpy._core.multiarray.scalar': {
      const { data, dtype } = array(first, [], false, second);
      return dtype === 'b1' ? data[0] !== 0 : data[0];
    }
    case 'numpy._core.numeric._frombuffer':
      if (fourth !== 'C' && fourth !== 'F') break;
      return array(second, third, fourth === 'F', first);
  }
  throw new RangeError(`it calls ${callee.name} with other arguments than NumPy`);
}

/** Sets the state of an object that was made without. @throws RangeError unless it is one that NumPy writes */
export function build(target: unknown, state: unknown): void {
  if (target instanceof Dtype && !target.ordered) {
    const [version, order, ...rest] = Array.isArray(state) ? state : [];
    // Neither a part of another type nor fields nor flags.
    if (version !== 3 || rest.join() !== ',,,-1,-1,0') throw new RangeError('its elements are not plain numbers');
    if (order !== '<' && order !== '|') throw new RangeError(`its elements have the byte order ${JSON.stringify(order)}`);
    target.ordered = true;
  } else if (target instanceof EmptyArray && target.filled === null) {
    if (!Array.isArray(state) || state.length !== 5 || state[0] !== 1 || typeof state[3] !== 'boolean')
      throw new RangeError('its array has another state than those of NumPy');
    target.filled = array(state[2], state[1], state[3], state[4]);
  } else throw new RangeError('it sets the state of what has none');
}

function array(dtype: unknown, shape: unknown, fortran: boolean, bytes: unknown): NumpyArray {
  if (!(dtype instanceof Dtype)) throw new RangeError('its array has no type of elements');
  const size = elementBytes(dtype.element);
  if (!dtype.ordered && size > 1) throw new RangeError('its elements have no byte order');
  if (!Array.isArray(shape) || shape.length > 32 || !shape.every((edge) => Number.isSafeInteger(edge) && edge >= 0))
    throw new RangeError('its array has no shape');
  const count = shape.reduce((product, edge) => product * edge, 1);
  if (!(bytes instanceof Uint8Array) || bytes.length !== count * size)
    throw new RangeError(`its array of shape (${shape.join(', ')}) does not have ${count * size} bytes`);
  const data = decodeElements(dtype.element, bytes);
  return new NumpyArray(dtype.element, shape, fortran && shape.length > 1 ? fromFortranOrder(data, shape) : data);
}
