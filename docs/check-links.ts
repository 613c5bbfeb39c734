/**
 * Checks that what the pages point to is there, offline: relative links and pictures, anchors of headings, paths of this repository in
 * code spans, and the pages that comments in the code name. `npm run docs:check`; the status is 1 if anything is missing.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import GithubSlugger from 'github-slugger';
import { marked, type Token, type Tokens } from 'marked';

const ROOT = resolve(import.meta.dirname, '..');
const PAGES = ['*.md', 'docs/*.md'];
const CODE = ['{src,workers,test,bench,examples}/**/*.ts'];
/** Made by `npm run docs`, and in no checkout. */
const GENERATED = 'docs/reference';
const PATH = /^(?:src|workers|test|bench|examples|docs|\.ci)\/[\w./-]*$/;
const POINTER = /\bdocs\/[\w-]+\.md(?:#[\w-]+)?/g;

interface Page {
  anchors: Set<string>;
  /** Relative links and pictures, as they are written. */
  links: string[];
  paths: string[];
}

function readPage(path: string): Page {
  const slugger = new GithubSlugger();
  const page: Page = { anchors: new Set(), links: [], paths: [] };
  marked.walkTokens(marked.lexer(readFileSync(path, 'utf8')), (token: Token) => {
    if (token.type === 'heading') page.anchors.add(slugger.slug(plain((token as Tokens.Heading).tokens)));
    if (token.type === 'codespan' && PATH.test(token.text)) page.paths.push(token.text);
    if ((token.type === 'link' || token.type === 'image') && !/^[a-z]+:/.test(token.href)) page.links.push(token.href);
  });
  return page;
}

/** A heading as it is read, without its marks. */
function plain(tokens: readonly Token[]): string {
  return tokens.map((token) => ('tokens' in token && token.tokens ? plain(token.tokens) : 'text' in token ? token.text : '')).join('');
}

const find = (patterns: readonly string[]): string[] =>
  patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).map((name) => join(ROOT, name));
const pages = new Map(find(PAGES).map((path) => [path, readPage(path)]));

/** What is wrong with a link from a folder, or null. */
function fault(folder: string, link: string): string | null {
  const [path, anchor] = link.split('#');
  const target = resolve(folder, path);
  if (!existsSync(target)) return 'there is no such file';
  if (anchor === undefined) return null;
  const page = pages.get(target);
  if (page === undefined) return 'it is no page, and has no anchors';
  return page.anchors.has(anchor) ? null : 'there is no such heading';
}

let checked = 0;
const faults: string[] = [];
function check(source: string, written: string, folder: string, link = written): void {
  checked++;
  const why = fault(folder, link);
  if (why !== null) faults.push(`${relative(ROOT, source)}: ${written}: ${why}`);
}

for (const [path, { links, paths }] of pages) {
  for (const link of links) check(path, link, dirname(path), link.startsWith('#') ? path + link : link);
  for (const name of paths) if (!name.startsWith(GENERATED)) check(path, name, ROOT);
}
for (const path of find(CODE).filter((file) => statSync(file).isFile()))
  for (const [pointer] of readFileSync(path, 'utf8').matchAll(POINTER)) check(path, pointer, ROOT);

for (const line of faults) console.error(line);
console.log(`${checked} links on ${pages.size} pages and in the code, ${faults.length} broken`);
process.exitCode = faults.length > 0 ? 1 : 0;
