/** wordsOf are the words of a text that has commas or spaces between them. */
export const wordsOf = (text: string) => text.split(/[\s,]+/).filter((w) => w !== '')
