import { readFileLabels, writeFileLabels } from '../../src/raw/file-formats.ts';
import { READERS, type Reader } from '../../src/raw/readers.ts';

/** `write-labels.ts READER IMAGE LABEL OUT`: reads a label and writes it where the image lies. For every_format.py. */
const [reader, image, label, out] = process.argv.slice(2);
const { family: library } = READERS[reader as Reader];
const [{ data }] = await readFileLabels(label, library);
await writeFileLabels(out, Int16Array.from(data), { image, library });
