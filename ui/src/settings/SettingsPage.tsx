import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { useSession } from '../frame/session'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Copy } from '../house/Copy'
import { Field } from '../house/Field'
import { Loading, Problem } from '../house/Notice'
import { Card, Facts, Page } from '../house/Page'
import { save } from '../house/save'
import { Ago } from '../house/Time'
import { moment } from '../house/say'
import { call, problemOf, send, type ApiError } from '../live/client'
import { secrets } from '../live/resource'
import { useRights } from '../live/rights'
import { Roles } from './Roles'
import { Users } from './Users'
import house from '../house/house.module.css'
import s from './settings.module.css'

interface Token {
  id: string
  name: string
  scopes: string[] | null
  made: string
  expires?: string
}

interface Made extends Token {
  /** The secret, which is shown this once. */
  token: string
  kubeconfig: string
}

/** SettingsPage is who one is, and how programs come in as oneself. */
export function SettingsPage() {
  const { data: session } = useSession()
  return (
    <Page title="Settings" command="weir token list">
      <div className={s.page}>
        <Card title="You">
          <Facts of={[
            ['Name', session?.user],
            ['Groups', session?.groups?.join(', ')],
            ['Signed in by', session?.via],
            ['Until', session?.expires && moment(session.expires)],
          ]} />
        </Card>
        <Tokens />
        {useRights('weir-system')('list', secrets) && <Users />}
        <Roles />
      </div>
    </Page>
  )
}

function Tokens() {
  const client = useQueryClient()
  const tokens = useQuery<Token[], ApiError>({ queryKey: ['tokens'], queryFn: async ({ signal }) => (await call<{ items: Token[] | null }>('GET', '/weir/tokens', undefined, { signal })).items ?? [] })
  const [question, ask] = useState<Question>()
  const [made, show] = useState<Made>()
  const read = () => client.invalidateQueries({ queryKey: ['tokens'] })
  const make = useMutation({
    mutationFn: (data: FormData) => call<Made>('POST', '/weir/tokens', { name: data.get('name'), scopes: data.get('rights') === 'read' ? ['read'] : [], lasts: data.get('lasts') }),
    onSuccess: (token) => {
      show(token)
      return read()
    },
  })
  const revoke = (t: Token): Question => ({
    title: `Take back the token ${t.name}?`,
    text: 'Whatever uses it is signed out at once, and for good.',
    verb: 'Take back',
    command: `weir token revoke ${t.id}`,
    act: async () => {
      await send('DELETE', `/weir/tokens/${encodeURIComponent(t.id)}`)
      await read()
    },
  })
  return (
    <Card title="Tokens">
      <div className={s.tokens}>
        <p className={house.muted}>With a token a program is you: kubectl, the clients for Python, or a script. It is shown once, when it is made.</p>
        <form className={s.form} onSubmit={(e) => { e.preventDefault(); make.mutate(new FormData(e.currentTarget)) }}>
          <Field label="Name" hint="what it is for" error={make.error ? problemOf(make.error).message : undefined} render={(p) => <input {...p} name="name" required placeholder="laptop" />} />
          <Field label="Rights" render={(p) => <select {...p} name="rights"><option value="all">All that you may do</option><option value="read">Only read</option></select>} />
          <Field label="Lasts" render={(p) => (
            <select {...p} name="lasts" defaultValue="720h"><option value="24h">a day</option><option value="168h">a week</option><option value="720h">30 days</option><option value="0">until it is taken back</option></select>
          )} />
          <Button type="submit" look="first" disabled={make.isPending}>Make a token</Button>
        </form>
        {made && <Snippets made={made} />}
        {tokens.error ? <Problem problem={tokens.error} what="your tokens" retry={() => void tokens.refetch()} /> : !tokens.data ? <Loading what="your tokens" rows={2} /> : (
          <ul className={s.list}>
            {tokens.data.map((t) => (
              <li key={t.id}>
                <strong>{t.name}</strong>
                <span className={house.muted}>{t.scopes?.length ? t.scopes.join(', ') : 'all rights'}, made <Ago at={t.made} />, {t.expires ? `until ${moment(t.expires)}` : 'without end'}</span>
                <Button onClick={() => ask(revoke(t))} aria-label={`Take back ${t.name}`}>Take back</Button>
              </li>
            ))}
          </ul>
        )}
      </div>
      <Confirm question={question} onClose={() => ask(undefined)} />
    </Card>
  )
}

function Snippets({ made }: { made: Made }) {
  const shell = `export WEIR_URL=${location.origin}\nexport WEIR_TOKEN=${made.token}\n`
  const python = `from kubernetes import client

configuration = client.Configuration(host="${location.origin}", api_key={"authorization": "Bearer ${made.token}"})
api = client.CustomObjectsApi(client.ApiClient(configuration))
print([job["metadata"]["name"] for job in api.list_cluster_custom_object("kubeflow.org", "v1", "tfjobs")["items"]])
`
  return (
    <div className={s.made} role="status">
      <p>This is the token {made.name}. It is not shown again.</p>
      {[['The token', made.token], ['For a shell', shell], ['For Python', python], ['kubectl', `kubectl --server ${location.origin} --token ${made.token} get pods -A`]].map(([title = '', text = '']) => (
        <div key={title}>
          <header><strong>{title}</strong><Copy text={text} /></header>
          <pre tabIndex={0}>{text}</pre>
        </div>
      ))}
      <Button icon="download" onClick={() => save('kubeconfig', new Blob([made.kubeconfig]))}>kubeconfig</Button>
    </div>
  )
}
