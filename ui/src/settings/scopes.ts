/** parts are what a token may be good for, beside everything. */
export const parts = { '': 'Everything', kubernetes: 'The Kubernetes API', s3: 'Files in buckets', images: 'Images', weir: 'What weir itself answers' } as const

/** lasting is how long a token may last; day is to a last day. */
export const lasting = { '24h': 'a day', '7d': 'a week', '30d': '30 days', '90d': '90 days', day: 'to a day that I choose', '0': 'until it is taken back' } as const

/** scopesOf are a token's scopes, by what it is good for and which rights it has there. */
export const scopesOf = (part: string, rights: string): string[] => [part, rights].filter((x) => x !== '')

/** saidScopes says scopes in words. */
export function saidScopes(scopes: readonly string[] | null | undefined): string {
  const all = scopes ?? []
  const of = all.filter((x) => x !== 'read').map((x) => (parts as Record<string, string>)[x] ?? x)
  const rights = all.includes('read') ? 'only reads' : 'all rights'
  return of.length === 0 ? rights : `${of.join(', ')}: ${rights}`
}

/** commandFor makes such a token on a terminal. */
export const commandFor = (name: string, scopes: readonly string[] | null | undefined) =>
  `weir token create ${/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", "'\\''")}'`}${(scopes ?? []).map((x) => ` --scope ${x}`).join('')}`
