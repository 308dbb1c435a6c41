import { useNavigate, useSearch } from '@tanstack/react-router'
import type { Namespace } from '../api/kubernetes'
import { Icon } from '../house/Icon'
import { Menu } from '../house/Menu'
import { namespaces } from '../live/resource'
import { useCollection } from '../live/useLive'
import type { Session } from './session'

const hidden = /^kube-|^weir-system$/

/** NamespaceMenu chooses whose objects the lists show. It stands in the address, as ns. */
export function NamespaceMenu({ session }: { session: Session }) {
  const { ns } = useSearch({ from: '__root__' })
  const navigate = useNavigate()
  const { items } = useCollection<Namespace>(namespaces)
  const known = session.namespaces ?? items.map((n) => n.metadata.name ?? '').filter((n) => !hidden.test(n)).sort()
  const choose = (to: string | undefined) => void navigate({ to: '.', search: (old) => ({ ...old, ns: to }) })
  return (
    <Menu label={`${ns ?? 'All namespaces'}, choose a namespace`} trigger={<>{ns ?? 'All namespaces'}<Icon name="down" size={12} /></>}
      items={[
        { label: 'All namespaces', ...(ns === undefined && { icon: 'done' as const }), onSelect: () => choose(undefined) },
        ...known.map((n) => ({ label: n, ...(n === ns && { icon: 'done' as const }), onSelect: () => choose(n) })),
      ]} />
  )
}
