import { describe, expect, test } from 'vitest'
import { pieces } from './ansi'
import { Book, Finder, isError, lastTurn, splitTime, type Entry } from './book'

const entry = (time: string, text: string, source = 0): Entry => ({ time, text, source })
const texts = (book: Book) => book.entries.map((e) => e.text)

describe('a book', () => {
  test('keeps lines of several logs in the order of their times, also those that come late', () => {
    const book = new Book()
    book.add([entry('2026-01-01T00:00:01.5', 'b'), entry('2026-01-01T00:00:01.25', 'a')])
    book.add([entry('2026-01-01T00:00:03', 'd', 1)])
    book.add([entry('2026-01-01T00:00:02', 'c', 2), entry('2026-01-01T00:00:04', 'e', 2)])
    expect(texts(book)).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(book.turns).toBe(1)
  })

  test('knows that half a second without zeros is before half a second and a bit', () => {
    const book = new Book()
    book.add([entry('2026-01-01T00:00:01.51', 'after'), entry('2026-01-01T00:00:01.5', 'before'), entry('2026-01-01T00:00:01', 'first')])
    expect(texts(book)).toEqual(['first', 'before', 'after'])
  })

  test('takes a million lines in a few seconds', () => {
    const book = new Book()
    const start = performance.now()
    for (let n = 0; n < 1000; n++) {
      const at = String(n).padStart(9, '0')
      book.add(Array.from({ length: 1000 }, (_, i) => entry(`2026-01-01T00:00:00.${at}${i % 7}`, 'loss: 0.1', i % 4)))
    }
    expect(book.entries).toHaveLength(1_000_000)
    expect(performance.now() - start).toBeLessThan(10_000)
  }, 30_000)
})

test('a finder goes on where it was, and begins anew when lines came in between', () => {
  const book = new Book()
  const finder = new Finder((text) => text.includes('x'))
  book.add([entry('2026-01-01T00:00:02', 'x1'), entry('2026-01-01T00:00:04', 'y')])
  expect(finder.look(book)).toEqual([0])
  book.add([entry('2026-01-01T00:00:05', 'x3')])
  expect(finder.look(book)).toEqual([0, 2])
  book.add([entry('2026-01-01T00:00:01', 'x0')])
  expect(finder.look(book)).toEqual([0, 1, 3])
})

test('a line is taken apart into time and text', () => {
  expect(splitTime('2026-11-25T10:00:00.123456789Z loss: 0.4')).toEqual({ time: '2026-11-25T10:00:00.123456789', text: 'loss: 0.4' })
  expect(splitTime('unable to retrieve container logs')).toEqual({ time: '', text: 'unable to retrieve container logs' })
})

test('of a line that draws over itself the last turn remains', () => {
  expect(lastTurn('10%\r50%\r100%\r')).toBe('100%')
  expect(lastTurn('plain')).toBe('plain')
})

test.each([
  ['ValueError: bad shape', true], ['Traceback (most recent call last):', true], ['finished with 0 errors', false], ['loss: 0.1', false],
])('%s: %s', (text, wrong) => expect(isError(text)).toBe(wrong))

describe('escapes', () => {
  const esc = '\u001b['
  test.each([
    ['plain', [{ text: 'plain' }]],
    [`${esc}31mred${esc}0m then`, [{ text: 'red', colour: 1 }, { text: ' then' }]],
    [`${esc}1;92mOK${esc}22m still green`, [{ text: 'OK', bold: true, colour: 2 }, { text: ' still green', colour: 2 }]],
    [`${esc}38;5;200mrare${esc}2Kx`, [{ text: 'rare' }, { text: 'x' }]],
  ])('%j', (text, want) => expect(pieces(text)).toEqual(want))
})
