/** What to do about a damaged .b2nd file: others wrote it. */
export const REMEDY = 'Run the preprocessing that wrote it again';
