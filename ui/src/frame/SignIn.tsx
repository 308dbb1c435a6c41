import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useLocation, useNavigate } from '@tanstack/react-router'
import { call, problemOf } from '../live/client'
import { Button } from '../house/Button'
import { Field } from '../house/Field'
import house from '../house/house.module.css'
import s from './frame.module.css'

/** A Way is one by which people sign in: by a name and a password, or elsewhere. */
interface Way {
  way: 'password' | 'oidc' | 'github'
  path: string
  /** The host of who knows people. */
  at?: string
}

// What the door says, in the address, of who comes back not signed in.
const problems: Record<string, string> = {
  link: 'This link has been used, or is too old. On the machine where weir runs, weir link prints another.',
  unreachable: 'The provider does not answer weir. Try again later; those who run this weir find why in its log.',
  provider: 'You are not signed in: the provider did not let you in, or weir did not take whom it named. Those who run this weir find why in its log.',
}

/** SignIn is what somebody sees whom weir does not know. */
export function SignIn() {
  const client = useQueryClient()
  const navigate = useNavigate()
  const { pathname, search } = useLocation()
  const here = pathname === '/sign-in'
  const problem = here ? problems[(search as { problem?: string }).problem ?? ''] : undefined
  const { data: ways } = useQuery<Way[]>({ queryKey: ['ways'], queryFn: async () => (await call<{ items: Way[] }>('GET', '/sign-in/ways')).items, staleTime: Infinity })
  const directory = ways?.find((w) => w.way === 'password')?.at
  const signIn = useMutation({
    mutationFn: (data: FormData) => call('POST', '/session', { name: data.get('name'), password: data.get('password') }),
    onSuccess: async () => {
      if (here) await navigate({ to: '/', replace: true })
      await client.invalidateQueries()
    },
  })
  return (
    <main className={s.signIn}>
      <img src="/mark.svg" alt="" width={40} height={40} />
      <h1>Sign in to weir</h1>
      {problem && <p role="alert" className={house.error}>{problem}</p>}
      <form onSubmit={(e) => { e.preventDefault(); signIn.mutate(new FormData(e.currentTarget)) }}>
        <Field label="Name" hint={directory && `here, or at ${directory}`} render={(p) => <input {...p} name="name" autoComplete="username" required autoFocus />} />
        <Field label="Password" error={signIn.error ? problemOf(signIn.error).message : undefined}
          render={(p) => <input {...p} name="password" type="password" autoComplete="current-password" required />} />
        <Button type="submit" look="first" disabled={signIn.isPending}>Sign in</Button>
      </form>
      {ways?.filter((w) => w.way !== 'password').map((w) => (
        <a key={w.way} href={w.path} className={house.button} data-look="plain">Sign in at {w.way === 'github' && w.at === 'github.com' ? 'GitHub' : w.at}</a>
      ))}
      <p>
        On the machine where weir runs, <code>weir up</code> prints a link that signs you in. A name and a password are made with{' '}
        <code>weir user add</code>.
      </p>
    </main>
  )
}
