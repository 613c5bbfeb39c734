/**
 * Puts texts between the marks `<!-- results: NAME -->` and `<!-- end of results -->` of a page.
 * @throws Error if the page lacks a mark that there is a text for
 */
export function fillMarks(page: string, texts: Record<string, string>): string {
  return Object.entries(texts).reduce((filled, [name, text]) => {
    const marked = new RegExp(`(<!-- results: ${name} -->\n)[^]*?(<!-- end of results -->)`);
    if (!marked.test(filled)) throw new Error(`the page has no marks "<!-- results: ${name} -->" and "<!-- end of results -->"`);
    // A function, as $ in a text would mean something.
    return filled.replace(marked, (_, open: string, close: string) => `${open}\n${text.trim()}\n\n${close}`);
  }, page);
}
