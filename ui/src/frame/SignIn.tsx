import { useMutation, useQueryClient } from '@tanstack/react-query'
import { call, problemOf } from '../live/client'
import { Button } from '../house/Button'
import { Field } from '../house/Field'
import s from './frame.module.css'

/** SignIn is what somebody sees whom weir does not know. */
export function SignIn() {
  const client = useQueryClient()
  const signIn = useMutation({
    mutationFn: (data: FormData) => call('POST', '/session', { name: data.get('name'), password: data.get('password') }),
    onSuccess: () => client.invalidateQueries(),
  })
  return (
    <main className={s.signIn}>
      <img src="/mark.svg" alt="" width={40} height={40} />
      <h1>Sign in to weir</h1>
      <form onSubmit={(e) => { e.preventDefault(); signIn.mutate(new FormData(e.currentTarget)) }}>
        <Field label="Name" render={(p) => <input {...p} name="name" autoComplete="username" required autoFocus />} />
        <Field label="Password" error={signIn.error ? problemOf(signIn.error).message : undefined}
          render={(p) => <input {...p} name="password" type="password" autoComplete="current-password" required />} />
        <Button type="submit" look="first" disabled={signIn.isPending}>Sign in</Button>
      </form>
      <p>
        On the machine where weir runs, <code>weir up</code> prints a link that signs you in. A name and a password are made with{' '}
        <code>weir user add</code>.
      </p>
    </main>
  )
}
