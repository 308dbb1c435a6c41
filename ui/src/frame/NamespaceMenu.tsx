import { useNavigate, useSearch } from '@tanstack/react-router'
import { Icon } from '../house/Icon'
import { Menu } from '../house/Menu'
import { useNamespaces, type Session } from './session'

/** NamespaceMenu chooses whose objects the lists show. It stands in the address, as ns. */
export function NamespaceMenu({ session }: { session: Session }) {
  const { ns } = useSearch({ from: '__root__' })
  const navigate = useNavigate()
  const known = useNamespaces()
  const choose = (to: string | undefined) => void navigate({ to: '.', search: (old) => ({ ...old, ns: to }) })
  const here = ns ?? (session.namespaces ? 'No namespace' : 'All namespaces')
  return (
    <Menu label={`${here}, choose a namespace`} trigger={<>{here}<Icon name="down" size={12} /></>}
      items={[
        ...(session.namespaces ? [] : [{ label: 'All namespaces', ...(ns === undefined && { icon: 'done' as const }), onSelect: () => choose(undefined) }]),
        ...known.map((n) => ({ label: n, ...(n === ns && { icon: 'done' as const }), onSelect: () => choose(n) })),
      ]} />
  )
}
