import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { Button } from '../house/Button'
import { Field } from '../house/Field'
import { problemOf, send } from '../live/client'
import house from '../house/house.module.css'
import s from './settings.module.css'

/** Password changes one's own, or gives one to who signs in by links. */
export function Password({ has }: { has: boolean }) {
  const client = useQueryClient()
  const [form, another] = useState(0)
  const change = useMutation({
    mutationFn: (data: FormData) => send('PUT', '/weir/password', JSON.stringify({ old: data.get('old') ?? '', new: data.get('new') })),
    onSuccess: () => {
      another(form + 1)
      return client.invalidateQueries({ queryKey: ['session'] })
    },
  })
  return (
    <details className={s.password}>
      <summary>{has ? 'Change the password' : 'Take a password'}</summary>
      <form key={form} className={s.form} onSubmit={(e) => { e.preventDefault(); change.mutate(new FormData(e.currentTarget)) }}>
        {has && <Field label="Old password" render={(p) => <input {...p} name="old" type="password" required autoComplete="current-password" />} />}
        <Field label="New password" error={change.error ? problemOf(change.error).message : undefined} render={(p) => <input {...p} name="new" type="password" required autoComplete="new-password" />} />
        <Button type="submit" disabled={change.isPending}>Set the password</Button>
      </form>
      {change.isSuccess && <p role="status" className={house.muted}>The password is changed.</p>}
    </details>
  )
}
