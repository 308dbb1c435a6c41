/** A Piece is a part of a line in one look. */
export interface Piece {
  text: string
  colour?: number
  bold?: boolean
  faint?: boolean
}

// eslint-disable-next-line no-control-regex -- escapes are what it is about
const escape = /\u001b(?:\[([0-9;]*)([A-Za-z])|\][^\u0007]*\u0007|[()][A-Z0-9])|[\b]/g

/** pieces reads the colours that programs for terminals write, and leaves out all else that only terminals understand. */
export function pieces(text: string): Piece[] {
  if (!text.includes('\u001b') && !text.includes('\b')) return [{ text }]
  const found: Piece[] = []
  let look: Omit<Piece, 'text'> = {}
  let at = 0
  for (const m of text.matchAll(escape)) {
    if (m.index > at) found.push({ text: text.slice(at, m.index), ...look })
    at = m.index + m[0].length
    if (m[2] === 'm') look = changed(look, (m[1] ?? '').split(';').map(Number))
  }
  if (at < text.length) found.push({ text: text.slice(at), ...look })
  return found
}

function changed(look: Omit<Piece, 'text'>, codes: number[]): Omit<Piece, 'text'> {
  const next = { ...look }
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0
    if (code === 0) return changed({}, codes.slice(i + 1))
    else if (code === 1) next.bold = true
    else if (code === 2) next.faint = true
    else if (code === 22) {
      delete next.bold
      delete next.faint
    } else if (code >= 30 && code <= 37) next.colour = code - 30
    else if (code >= 90 && code <= 97) next.colour = code - 90
    else if (code === 39) delete next.colour
    else if (code === 38 || code === 48) i += codes[i + 1] === 5 ? 2 : 4 // Of 256 and of all colours: shown plain.
  }
  return next
}
