/** rowsOf reads the first rows of a table in text. Fields may be quoted, as spreadsheets do. What is cut off at the end is left out. */
export function rowsOf(text: string, separator: string, most: number, whole = true): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let field = ''
  let quoted = false
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i] ?? ''
    if (quoted) {
      if (c !== '"') field += c
      else if (text[i + 1] === '"') field += text[i++]
      else quoted = false
    } else if (c === '"' && field === '') quoted = true
    else if (c === separator) {
      row.push(field)
      field = ''
    } else if (c === '\n') {
      rows.push([...row, field.replace(/\r$/, '')])
      row = []
      field = ''
    } else field += c
  }
  if (whole && rows.length < most && (field !== '' || row.length > 0)) rows.push([...row, field])
  return rows
}
