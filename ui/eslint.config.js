import js from '@eslint/js'
import hooks from 'eslint-plugin-react-hooks'
import { defineConfig, globalIgnores } from 'eslint/config'
import ts from 'typescript-eslint'

export default defineConfig(
  globalIgnores(['dist', 'test-results', 'src/api/kubernetes.ts', 'src/api/platform.ts']),
  js.configs.recommended,
  ts.configs.strict,
  hooks.configs.flat.recommended,
  {
    rules: {
      // The compiler knows better: it counts unused names, and knows the browser's.
      '@typescript-eslint/no-unused-vars': 'off',
      'no-undef': 'off',
      // A virtual list gives out functions that must not be kept; no compiler keeps them here.
      'react-hooks/incompatible-library': 'off',
      // Pages are found by name, and a name that is exported is one that can be searched for.
      'no-restricted-syntax': ['error', { selector: 'ExportDefaultDeclaration', message: 'Export by name.' }],
      // A string that becomes markup, or a style that the policy blocks, is never right here.
      'no-restricted-properties': ['error', { property: 'innerHTML', message: 'Write elements.' }],
    },
  },
  // Playwright finds what a test needs in the names of its first argument, and its use is no hook.
  { files: ['e2e/**'], rules: { 'react-hooks/rules-of-hooks': 'off', 'no-empty-pattern': 'off' } },
  { files: ['*.config.ts', '*.config.js'], rules: { 'no-restricted-syntax': 'off' } },
)
