import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// `npm run dev` shows the pages of a weir that runs: eval "$(weir env)" tells
// where it is, and who you are.
const weir = process.env.WEIR_URL ?? 'http://127.0.0.1:8080'
const token = process.env.WEIR_TOKEN

// The program serves these as they lie, and so need not compress at each request.
const smaller = {
  name: 'weir-smaller',
  apply: 'build' as const,
  closeBundle() {
    for (const name of readdirSync('dist/assets')) {
      const data = readFileSync(`dist/assets/${name}`)
      if (/\.(js|css)$/.test(name) && data.length > 1400) writeFileSync(`dist/assets/${name}.gz`, gzipSync(data, { level: 9 }))
    }
  },
}

export default defineConfig({
  plugins: [react(), smaller],
  build: {
    target: 'es2023',
    assetsInlineLimit: 0, // a data: address is not what the page's policy lets in
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: {
    fs: { allow: ['..'] }, // the examples lie beside ui
    proxy: {
      '^/(api|apis|openapi|version|session|sign-in|weir|portforward|tensorboard)(/|\\?|$)': {
        target: weir,
        ws: true,
        headers: token ? { Authorization: `Bearer ${token}` } : {},
      },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
})
