import { useMutation } from '@tanstack/react-query'
import { useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { useNamespaces } from '../frame/session'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Field } from '../house/Field'
import { Loading, Problem } from '../house/Notice'
import { Card } from '../house/Page'
import { call, problemOf, send } from '../live/client'
import { pathOf, roleBindings } from '../live/resource'
import { useRights } from '../live/rights'
import { useCollection } from '../live/useLive'
import { bindingFor, grantsOf, roles, type Grant, type RoleBinding } from './grants'
import house from '../house/house.module.css'
import s from './settings.module.css'

/** Roles are who may do what in a namespace, for its admins to give and take. */
export function Roles() {
  const { ns = 'default' } = useSearch({ from: '__root__' })
  const [namespace, choose] = useState(ns)
  const may = useRights(namespace)
  if (!may('list', roleBindings)) return null
  return <RolesIn key={namespace} namespace={namespace} choose={choose} mayChange={may('create', roleBindings)} />
}

function RolesIn({ namespace, choose, mayChange }: { namespace: string; choose: (to: string) => void; mayChange: boolean }) {
  const known = useNamespaces()
  const { items, phase, problem, retry } = useCollection<RoleBinding>(roleBindings, { namespace })
  const [question, ask] = useState<Question>()
  const [form, another] = useState(0)
  const give = useMutation({
    mutationFn: (data: FormData) => call('POST', pathOf(roleBindings, namespace), bindingFor(String(data.get('kind')), String(data.get('name')).trim(), String(data.get('role')))),
    onSuccess: () => another(form + 1),
  })
  const take = (g: Grant): Question => ({
    title: `Take the role ${g.role} from ${g.name}?`, text: `What ${g.name} has made in ${namespace} stays, and goes on.`, verb: 'Take',
    command: `weir kubectl delete rolebinding ${g.binding} -n ${namespace}`,
    act: () => send('DELETE', pathOf(roleBindings, namespace, g.binding)),
  })
  const grants = grantsOf(items)
  return (
    <Card title="Roles" end={
      <select className={house.input} aria-label="Namespace of the roles" value={namespace} onChange={(e) => choose(e.target.value)}>
        {(known.includes(namespace) ? known : [namespace, ...known]).map((n) => <option key={n}>{n}</option>)}
      </select>
    }>
      <div className={s.tokens}>
        {mayChange && (
          <form key={form} className={s.form} onSubmit={(e) => { e.preventDefault(); give.mutate(new FormData(e.currentTarget)) }}>
            <Field label="Who" error={give.error ? problemOf(give.error).message : undefined} render={(p) => <input {...p} name="name" required placeholder="ada" />} />
            <Field label="Is a" render={(p) => <select {...p} name="kind"><option value="User">user</option><option value="Group">group</option></select>} />
            <Field label="Role" render={(p) => <select {...p} name="role">{Object.entries(roles).map(([role, text]) => <option key={role} value={role}>{role}: {text}</option>)}</select>} />
            <Button type="submit" disabled={give.isPending}>Give</Button>
          </form>
        )}
        {problem && phase === 'failed' ? <Problem problem={problem} what="roles" retry={retry} /> : phase === 'loading' ? <Loading what="roles" rows={2} />
          : grants.length === 0 ? <p className={house.muted}>Nobody has a role in {namespace} but the owners of this weir.</p> : (
            <ul className={s.list}>
              {grants.map((g) => (
                <li key={`${g.binding}/${g.kind}/${g.name}`}>
                  <strong>{g.name}</strong>
                  <span className={house.muted}>{g.role}{g.kind === 'Group' && ', all of the group'}</span>
                  {mayChange && (g.alone ? <Button onClick={() => ask(take(g))} aria-label={`Take ${g.role} from ${g.name}`}>Take</Button> : <small className={house.muted}>by {g.binding}, with others</small>)}
                </li>
              ))}
            </ul>
          )}
      </div>
      <Confirm question={question} onClose={() => ask(undefined)} />
    </Card>
  )
}
