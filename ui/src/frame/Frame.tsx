import { Link, Navigate, Outlet, useNavigate, useRouterState, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'
import { Button } from '../house/Button'
import { Icon } from '../house/Icon'
import { Menu } from '../house/Menu'
import { Loading, Notice, Problem } from '../house/Notice'
import { Page } from '../house/Page'
import { call } from '../live/client'
import { areas } from './areas'
import { Keys } from './Keys'
import { NamespaceMenu } from './NamespaceMenu'
import { Palette } from './Palette'
import { useSession, type Session } from './session'
import { SignIn } from './SignIn'
import { setTheme, theme } from './theme'
import { useConnection } from './useConnection'
import { Waiting } from './Waiting'
import s from './frame.module.css'

/** Frame is what all pages stand in: rail, bar, and what is open everywhere. */
export function Frame() {
  const session = useSession()
  if (session.error?.status === 401) return <SignIn />
  if (session.error) return <main className={s.alone}><Problem problem={session.error} what="the pages" retry={() => void session.refetch()} /></main>
  if (!session.data) return <main className={s.alone}><Loading what="who you are" rows={3} /></main>
  return <Within session={session.data} />
}

// Who has a role in some namespaces only is always in one of them: the API server lists nothing across all for them.
function Within({ session }: { session: Session }) {
  const { ns } = useSearch({ from: '__root__' })
  const first = session.namespaces?.[0]
  if (first !== undefined && !session.namespaces?.includes(ns ?? '')) return <Navigate to="." search={(old) => ({ ...old, ns: first })} replace />
  return <House session={session} />
}

function House({ session }: { session: Session }) {
  const [open, setOpen] = useState<'palette' | 'keys' | 'rail' | undefined>()
  const close = useCallback(() => setOpen(undefined), [])
  useKeys(setOpen)
  const path = useRouterState({ select: (r) => r.location.pathname })
  const stranger = session.namespaces?.length === 0
  const inSettings = useRouterState({ select: (r) => r.matches.at(-1)?.routeId === '/settings' })
  return (
    <div className={s.house}>
      <a href="#main" className={s.skip}>Skip to the page</a>
      <header className={s.bar}>
        <button type="button" className={s.burger} aria-label="Areas" aria-expanded={open === 'rail'} onClick={() => setOpen(open === 'rail' ? undefined : 'rail')}>
          <Icon name="menu" />
        </button>
        <Link to="/" className={s.brand}>
          <img src="/mark.svg" alt="" width={20} height={20} />
          weir
        </Link>
        <NamespaceMenu session={session} />
        <button type="button" className={s.find} onClick={() => setOpen('palette')}>
          <Icon name="search" />
          <span>Find anything</span>
          <kbd>{navigator.platform.startsWith('Mac') ? '⌘K' : 'Ctrl K'}</kbd>
        </button>
        <div className={s.barEnd}>
          {!stranger && <Waiting />}
          <UserMenu session={session} onKeys={() => setOpen('keys')} />
        </div>
      </header>
      <nav className={s.rail} aria-label="Areas" data-open={open === 'rail' || undefined} onClick={() => open === 'rail' && close()}>
        <ul>
          {areas.map((a) => (
            <li key={a.to}>
              <Link to={a.to} aria-current={(a.to === '/' ? path === '/' : path.startsWith(a.to)) ? 'page' : undefined}>
                <Icon name={a.icon} />
                {a.word}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <div className={s.body}>
        <Connection />
        {stranger && !inSettings ? <Nowhere user={session.user} /> : <Outlet />}
      </div>
      {!stranger && <Palette open={open === 'palette'} onClose={close} />}
      <Keys open={open === 'keys'} onClose={close} />
    </div>
  )
}

/** Nowhere is what somebody sees who has no role anywhere. */
function Nowhere({ user }: { user: string }) {
  const command = `weir kubectl create rolebinding ${user} -n default --clusterrole edit --user ${user}`
  return (
    <Page title="No role yet" command={command}>
      <Notice icon="alert" title={`You are ${user}, and have no role in any namespace`} actions={<Button onClick={() => location.reload()}>Look again</Button>}>
        What runs here belongs to namespaces. Ask an owner of this weir, or an admin of a namespace, for the role view or edit: at the foot stands the command that gives it.
      </Notice>
    </Page>
  )
}

function Connection() {
  const connection = useConnection()
  return (
    <div role="status" className={s.connection} data-state={connection}>
      {connection === 'lost' && 'The connection is lost. What you see is from before; it catches up by itself.'}
    </div>
  )
}

function UserMenu({ session, onKeys }: { session: Session; onKeys: () => void }) {
  const [chosen, choose] = useState(theme)
  const set = (to: typeof chosen) => { setTheme(to); choose(to) }
  const signOut = async () => {
    await call('DELETE', '/session').catch(() => undefined)
    location.assign('/')
  }
  return (
    <Menu label={`${session.user}, signed in`}
      trigger={<><Icon name="user" /><span className={s.user}>{session.user}</span></>}
      items={[
        ...(['system', 'light', 'dark'] as const).map((t) => ({
          label: { system: 'Colours of the system', light: 'Light', dark: 'Dark' }[t],
          ...(t === chosen && { icon: 'done' as const }),
          onSelect: () => set(t),
        })),
        { label: 'Keys', onSelect: onKeys },
        { label: 'Sign out', onSelect: () => void signOut() },
      ]} />
  )
}

function useKeys(setOpen: (what: 'palette' | 'keys') => void) {
  const navigate = useNavigate()
  useEffect(() => {
    let g = 0
    const onKey = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === 'k') {
        e.preventDefault()
        setOpen('palette')
        return
      }
      const target = e.target as HTMLElement
      if (e.metaKey || e.ctrlKey || e.altKey || target.closest('input, textarea, select, [contenteditable], [role=dialog], [data-keys]')) return
      const area = Date.now() - g < 1500 ? areas.find((a) => a.key === e.key) : undefined
      g = e.key === 'g' ? Date.now() : 0
      if (area) void navigate({ to: area.to })
      else if (e.key === '?') setOpen('keys')
      else if (e.key === '/') document.querySelector<HTMLElement>('[data-search]')?.focus()
      else return
      e.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [navigate, setOpen])
}
