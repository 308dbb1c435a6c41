import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { Button, Choices } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Copy } from '../house/Copy'
import { Field } from '../house/Field'
import { Loading, Problem } from '../house/Notice'
import { Card } from '../house/Page'
import { save } from '../house/save'
import { Ago } from '../house/Time'
import { moment } from '../house/say'
import { call, problemOf, send, type ApiError } from '../live/client'
import { commandFor, lasting, parts, saidScopes, scopesOf } from './scopes'
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
  /** What to paste, so that a program comes in by it. */
  snippets: { id: string; title: string; text: string }[]
}

const text = (data: FormData, name: string) => String(data.get(name) ?? '')

/** Tokens are one's own, by which programs come in. */
export function Tokens() {
  const client = useQueryClient()
  const tokens = useQuery<Token[], ApiError>({ queryKey: ['tokens'], queryFn: async ({ signal }) => (await call<{ items: Token[] | null }>('GET', '/weir/tokens', undefined, { signal })).items ?? [] })
  const [question, ask] = useState<Question>()
  const [made, show] = useState<Made>()
  const [lasts, choose] = useState('30d')
  const read = () => client.invalidateQueries({ queryKey: ['tokens'] })
  const make = useMutation({
    mutationFn: (data: FormData) => call<Made>('POST', '/weir/tokens', {
      name: data.get('name'), scopes: scopesOf(text(data, 'part'), text(data, 'rights')), lasts: lasts === 'day' ? text(data, 'day') : lasts,
    }),
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
        <p className={house.muted}>With a token a program is you: kubectl, the clients for Python, or a script. It is shown once, when it is made. For buckets, your keys stand under <Link to="/storage">Storage</Link>.</p>
        <form className={s.form} data-long onSubmit={(e) => { e.preventDefault(); make.mutate(new FormData(e.currentTarget)) }}>
          <Field label="Name" hint="what it is for" error={make.error ? problemOf(make.error).message : undefined} render={(p) => <input {...p} name="name" required placeholder="laptop" />} />
          <Field label="Good for" render={(p) => <select {...p} name="part">{Object.entries(parts).map(([part, said]) => <option key={part} value={part}>{said}</option>)}</select>} />
          <Field label="Rights" render={(p) => <select {...p} name="rights"><option value="">All that you may do</option><option value="read">Only read</option></select>} />
          <Field label="Lasts" render={(p) => (
            <select {...p} value={lasts} onChange={(e) => choose(e.target.value)}>{Object.entries(lasting).map(([time, said]) => <option key={time} value={time}>{said}</option>)}</select>
          )} />
          {lasts === 'day' && <Field label="Last day" render={(p) => <input {...p} name="day" type="date" required />} />}
          <Button type="submit" look="first" disabled={make.isPending}>Make a token</Button>
        </form>
        {made && <Shown key={made.id} made={made} />}
        {tokens.error ? <Problem problem={tokens.error} what="your tokens" retry={() => void tokens.refetch()} /> : !tokens.data ? <Loading what="your tokens" rows={2} /> : tokens.data.length === 0 ? <p className={house.muted}>You have none.</p> : (
          <ul className={s.list}>
            {tokens.data.map((t) => (
              <li key={t.id}>
                <strong>{t.name}</strong>
                <span className={house.muted}>{saidScopes(t.scopes)}, made <Ago at={t.made} />, {t.expires ? `until ${moment(t.expires)}` : 'without end'}</span>
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

function Shown({ made }: { made: Made }) {
  const [id, choose] = useState(made.snippets[0]?.id ?? '')
  const chosen = made.snippets.find((x) => x.id === id)
  return (
    <div className={s.made} role="status">
      <p>This is the token {made.name}. It is not shown again.</p>
      <div><header><code>{made.token}</code><Copy text={made.token} /></header></div>
      {chosen && (
        <div>
          <header><Choices label="For" value={id} onChange={choose} options={made.snippets.map((x) => ({ value: x.id, label: x.title }))} /><Copy text={chosen.text} label="Copy all" /></header>
          <pre tabIndex={0} aria-label="To paste">{chosen.text}</pre>
        </div>
      )}
      <div><header>
        <Button icon="download" onClick={() => save('kubeconfig', new Blob([made.kubeconfig]))}>kubeconfig</Button>
        <small className={house.muted}>On a terminal: <code>{commandFor(made.name, made.scopes)}</code></small>
      </header></div>
    </div>
  )
}
