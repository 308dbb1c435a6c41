/**
 * rank keeps what has the letters of the text in their order, best first: whole
 * words before beginnings of words before letters that lie apart.
 */
export function rank<T>(all: readonly T[], text: string, nameOf: (one: T) => string): readonly T[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return all
  return all
    .map((one) => ({ one, score: score(nameOf(one).toLowerCase(), wanted) }))
    .filter((s) => s.score > 0)
    .sort((a, b) => b.score - a.score)
    .map((s) => s.one)
}

function score(name: string, wanted: string): number {
  const at = name.indexOf(wanted)
  if (at === 0) return 4
  if (at > 0) return /[\s/-]/.test(name.charAt(at - 1)) ? 3 : 2
  let from = 0
  for (const letter of wanted.replaceAll(' ', '')) {
    from = name.indexOf(letter, from) + 1
    if (from === 0) return 0
  }
  return 1
}
