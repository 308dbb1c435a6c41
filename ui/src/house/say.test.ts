import { describe, expect, test } from 'vitest'
import { about, bytes, count, duration, figure, quantity } from './say'

describe('duration', () => {
  test.each([
    [400, '0 s'], [48_000, '48 s'], [60_000, '1 min'], [95_000, '1 min 35 s'], [25 * 60_000, '25 min'], [3_600_000, '1 h'],
    [2.1 * 3_600_000, '2 h 6 min'], [4 * 24 * 3_600_000, '4 d'], [-5000, '0 s'],
  ])('%d ms is %s', (ms, said) => expect(duration(ms)).toBe(said))
})

describe('about', () => {
  test.each([[1200, 'about 5 s'], [31_000, 'about 35 s'], [100_000, 'about 2 min'], [3.4 * 3_600_000, 'about 3 h 20 min']])('%d ms is %s', (ms, said) =>
    expect(about(ms)).toBe(said))
})

describe('bytes', () => {
  test.each([[0, '0 B'], [999, '999 B'], [1000, '1.0 kB'], [1_234_000_000, '1.2 GB'], [999_999, '1.0 MB'], [512_000_000, '512 MB']])('%d is %s', (n, said) =>
    expect(bytes(n)).toBe(said))
})

describe('figure', () => {
  test.each([[0.98312, '0.9831'], [0, '0'], [12.4, '12.4'], [1.2e-5, '1.20e-5'], [Infinity, '∞'], [NaN, 'not a number']])('%d is %s', (n, said) =>
    expect(figure(n)).toBe(said))
})

describe('quantity', () => {
  test.each([['500m', 0.5], ['2', 2], ['1Gi', 1073741824], ['1e3', 1000], ['250M', 2.5e8], [undefined, 0], ['much', 0]])('%s is %d', (text, n) =>
    expect(quantity(text)).toBeCloseTo(n))
})

test('count', () => {
  expect(count(1, 'job')).toBe('1 job')
  expect(count(12_000, 'job')).toBe('12,000 jobs')
})
