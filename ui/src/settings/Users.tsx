import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Field } from '../house/Field'
import { Loading, Problem } from '../house/Notice'
import { Card } from '../house/Page'
import { call, problemOf, send, type ApiError } from '../live/client'
import { wordsOf } from './words'
import house from '../house/house.module.css'
import s from './settings.module.css'

interface User {
  name: string
  groups: string[] | null
  /** Whether they have one. */
  password: boolean
}

const path = (name: string) => `/weir/users/${encodeURIComponent(name)}`

/** Users are those whom weir keeps, for its owners to add, put into groups and remove. */
export function Users() {
  const client = useQueryClient()
  const users = useQuery<User[], ApiError>({ queryKey: ['users'], queryFn: async ({ signal }) => (await call<{ items: User[] }>('GET', '/weir/users', undefined, { signal })).items })
  const [question, ask] = useState<Question>()
  const [form, another] = useState(0)
  const [gives, give] = useState<string>()
  const read = () => client.invalidateQueries({ queryKey: ['users'] })
  const add = useMutation({
    mutationFn: (data: FormData) => {
      const password = String(data.get('password'))
      return call('POST', '/weir/users', { name: data.get('name'), groups: wordsOf(String(data.get('groups'))), ...(password && { password }) })
    },
    onSuccess: () => {
      another(form + 1)
      return read()
    },
  })
  const remove = (u: User): Question => ({
    title: `Remove ${u.name}?`, text: 'They are signed out at once, and their tokens and links are good for nothing more. What they have made stays.', verb: 'Remove',
    command: `weir user remove ${u.name}`,
    act: async () => {
      await send('DELETE', path(u.name))
      await read()
    },
  })
  return (
    <Card title="Users">
      <div className={s.tokens}>
        <p className={house.muted}>A new user may do nothing until a role below, or one of their groups, says otherwise. Members of weir:owners may do everything.</p>
        <form key={form} className={s.form} onSubmit={(e) => { e.preventDefault(); add.mutate(new FormData(e.currentTarget)) }}>
          <Field label="User" error={add.error ? problemOf(add.error).message : undefined} render={(p) => <input {...p} name="name" required autoComplete="off" placeholder="ada" />} />
          <Field label="Groups" hint="with commas between them" render={(p) => <input {...p} name="groups" placeholder="team-a" />} />
          <Field label="Password" hint="without one they sign in by links" render={(p) => <input {...p} name="password" type="password" autoComplete="new-password" />} />
          <Button type="submit" disabled={add.isPending}>Add</Button>
        </form>
        {users.error ? <Problem problem={users.error} what="users" retry={() => void users.refetch()} /> : !users.data ? <Loading what="users" rows={2} /> : (
          <ul className={s.list}>
            {users.data.map((u) => (
              <li key={u.name}>
                <strong>{u.name}</strong>
                <div className={s.about}>
                  <Groups key={String(u.groups)} user={u} read={read} />
                  {gives === u.name && <NewPassword user={u} read={read} close={() => give(undefined)} />}
                </div>
                <div className={house.row}>
                  <Button aria-expanded={gives === u.name} aria-label={`Password of ${u.name}`} onClick={() => give(gives === u.name ? undefined : u.name)}>Password</Button>
                  <Button onClick={() => ask(remove(u))} aria-label={`Remove ${u.name}`}>Remove</Button>
                </div>
              </li>
            ))}
          </ul>
        )}
      </div>
      <Confirm question={question} onClose={() => ask(undefined)} />
    </Card>
  )
}

function Groups({ user, read }: { user: User; read: () => Promise<void> }) {
  const was = (user.groups ?? []).join(', ')
  const [text, type] = useState(was)
  const change = useMutation({ mutationFn: () => send('PATCH', path(user.name), JSON.stringify({ groups: wordsOf(text) })), onSuccess: read })
  return (
    <form className={s.groups} onSubmit={(e) => { e.preventDefault(); change.mutate() }}>
      <input className={house.input} aria-label={`Groups of ${user.name}`} placeholder="in no group" value={text} onChange={(e) => type(e.target.value)} />
      {text !== was && <Button type="submit" disabled={change.isPending}>Change</Button>}
      {!user.password && <small className={house.muted}>signs in by links</small>}
      {change.error && <small role="alert" className={house.error}>{problemOf(change.error).message}</small>}
    </form>
  )
}

// A forgotten password cannot be read by anyone; who may do this gives another.
function NewPassword({ user, read, close }: { user: User; read: () => Promise<void>; close: () => void }) {
  const change = useMutation({
    mutationFn: (data: FormData) => send('PATCH', path(user.name), JSON.stringify({ password: data.get('password') })),
    onSuccess: () => {
      close()
      return read()
    },
  })
  return (
    <form className={s.groups} onSubmit={(e) => { e.preventDefault(); change.mutate(new FormData(e.currentTarget)) }}>
      <input className={house.input} name="password" type="password" required autoFocus autoComplete="new-password" aria-label={`New password of ${user.name}`} placeholder="new password" />
      <Button type="submit" disabled={change.isPending}>Set</Button>
      {change.error && <small role="alert" className={house.error}>{problemOf(change.error).message}</small>}
    </form>
  )
}
