import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { lazy, Suspense, useCallback, useMemo, useState } from 'react'
import type { ContainerStatus, Pod } from '../api/kubernetes'
import { Button, Choices } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Events } from '../house/Events'
import { Icon } from '../house/Icon'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { Card, Facts, Page } from '../house/Page'
import { StateMark } from '../house/State'
import { Told } from '../house/Told'
import { Ago, Span } from '../house/Time'
import { KeptLogs } from '../logs/KeptLogs'
import { LogView } from '../logs/LogView'
import type { Source } from '../logs/reader'
import { useSources } from '../logs/useSources'
import { call } from '../live/client'
import { useExplained } from '../live/explain'
import { pathOf, pods } from '../live/resource'
import { portForwards, shells, useRights, type Rights } from '../live/rights'
import { useObject } from '../live/useLive'
import { jobLink } from '../paths'
import { kindNamed } from '../jobs/kinds'
import { replicaOf } from './read'
import house from '../house/house.module.css'
import tabs from '../house/tabs.module.css'
import s from './pods.module.css'

const Terminal = lazy(async () => ({ default: (await import('./Terminal')).Terminal }))

const Files = lazy(async () => ({ default: (await import('./Files')).Files }))

const views = { overview: 'Overview', logs: 'Logs', terminal: 'Terminal', files: 'Files', events: 'Events' } as const
export type PodView = keyof typeof views

const from = '/pods/$namespace/$name'

/** PodPage is one pod: its containers, what they print, a terminal in it, and what happened to it. */
export function PodPage() {
  const { namespace, name } = useParams({ from })
  const { view = 'overview' } = useSearch({ from })
  const navigate = useNavigate()
  const [question, ask] = useState<Question>()
  const { object: pod, gone, phase, problem, retry } = useObject<Pod & { metadata: object }>(pods, namespace, name)
  const may = useRights(namespace)
  const isMeant = useCallback((of: string) => of === name, [name])
  const which = useMemo(() => ({ pod: name }), [name])
  const crumbs = <><Link to="/pods">Pods</Link> <Icon name="right" size={12} /></>
  const commands: Record<PodView, string> = {
    overview: `weir explain pod/${name} -n ${namespace}`, logs: `weir logs pod/${name} -n ${namespace} -f`,
    terminal: `weir kubectl exec -it ${name} -n ${namespace} -- sh`, files: `weir kubectl exec ${name} -n ${namespace} -- ls -l /`, events: `weir kubectl events --for pod/${name} -n ${namespace}`,
  }
  if (!pod)
    return (
      <Page title={name} crumbs={crumbs} command={commands[view]}>
        {problem && phase === 'failed' ? <Problem problem={problem} what="this pod" retry={retry} /> : phase === 'loading' ? <Loading what={name} /> : (
          <Notice icon="alert" title={`There is no pod ${name} in ${namespace}`} actions={<Link to="/pods">All pods</Link>}>Pods go with the job they belong to, or when it has ended. Their logs stay for a while.</Notice>
        )}
        {gone && <KeptLogs namespace={namespace} name={name} which={which} labelOf={containerOf} />}
      </Page>
    )
  const r = replicaOf(pod, '')
  const remove: Question = {
    title: `Delete the pod ${name}?`,
    text: 'What runs in it ends. If it belongs to a job, the job’s rules decide whether another takes its place.',
    verb: 'Delete',
    command: `weir kubectl delete pod/${name} -n ${namespace}`,
    act: () => call('DELETE', pathOf(pods, namespace, name)),
  }
  return (
    <Page title={name} crumbs={crumbs} command={commands[view]} fill={view === 'logs' || view === 'terminal' || view === 'files'}
      sentence={<><StateMark state={r.state} word={r.word} /><span>{r.message}</span></>}
      actions={gone ? undefined : may('delete', pods) ? <Button look="danger" onClick={() => ask(remove)}>Delete</Button> : <OnlyView may={may} namespace={namespace} />}
      nav={
        <nav className={tabs.tabs} aria-label="Of this pod">
          {(Object.keys(views) as PodView[]).map((v) => (
            <Link key={v} to="/pods/$namespace/$name" params={{ namespace, name }} search={{ view: v === 'overview' ? undefined : v }}
              activeOptions={{ exact: true, includeSearch: true, explicitUndefined: true }} aria-current={v === view ? 'page' : undefined}>
              {views[v]}
            </Link>
          ))}
        </nav>
      }>
      {gone && <Notice icon="alert" title={`${name} has been deleted`}>You see it as it was. Its logs stay for a while.</Notice>}
      {view === 'overview' && <Overview pod={pod} gone={gone} />}
      {view === 'logs' && (gone ? <KeptLogs namespace={namespace} name={name} which={which} labelOf={containerOf} /> : <Logs pod={pod} />)}
      {(view === 'terminal' || view === 'files') && <Inside pod={pod} gone={gone} may={may} view={view} />}
      {view === 'events' && <Events namespace={namespace} isMeant={isMeant} />}
      <Confirm question={question} onClose={() => ask(undefined)} onDone={() => void navigate({ to: '/pods' })} />
    </Page>
  )
}

const containerOf = (_: string, container: string) => container

const insides = {
  terminal: { View: Terminal, what: 'the terminal', refused: 'You may not open a terminal here', why: 'Who may only look runs nothing.', ended: 'A terminal needs a pod that runs' },
  files: { View: Files, what: 'the files', refused: 'You may not look into files here', why: 'Who may only look opens no container.', ended: 'Files are seen in a pod that runs' },
} as const

/** Inside is what shows a container from within: for who may run commands there, while it runs. */
function Inside({ pod, gone, may, view }: { pod: Pod & { metadata: object }; gone: boolean; may: Rights; view: keyof typeof insides }) {
  const { View, what, refused, why, ended } = insides[view]
  const [namespace, name] = [pod.metadata.namespace ?? '', pod.metadata.name ?? '']
  const { state, word, container } = replicaOf(pod, '')
  if (!may.known) return <Loading what="what you may do" />
  if (!may('create', shells)) return <Notice icon="alert" title={refused}>{why} The role edit in {namespace} lets you.</Notice>
  if (state !== 'running' || gone) return <Notice title={ended}>This one does not: {word.toLowerCase()}.</Notice>
  return <Suspense fallback={<Loading what={what} />}><View namespace={namespace} pod={name} containers={(pod.spec?.containers ?? []).map((c) => c.name)} first={container} /></Suspense>
}

function Overview({ pod, gone }: { pod: Pod & { metadata: object }; gone: boolean }) {
  const { metadata, spec, status } = pod
  const owner = metadata.ownerReferences?.[0]
  const kind = kindNamed(owner?.kind)
  const init = (status?.initContainerStatuses ?? []).map((c) => ({ c, before: true }))
  const containers = [...init, ...(status?.containerStatuses ?? []).map((c) => ({ c, before: false }))]
  const { state } = replicaOf(pod, '')
  const again = containers.some(({ c }) => c.restartCount > 0)
  const told = useExplained(
    { apiVersion: 'v1', kind: 'Pod', namespace: metadata.namespace ?? '', name: metadata.name ?? '' }, metadata.resourceVersion ?? '',
    !gone && (again || state === 'waiting' || state === 'failed'),
  ).data
  return (
    <div className={s.overview}>
      <div className={s.main}>
        {told && !gone && (state === 'waiting' || state === 'failed' ? <Told failed={state === 'failed'} explanation={told} /> : again && <Notice title={told.sentence} />)}
        <Card title="Containers" flush>
          <table className={s.containers}>
            <thead><tr><th>Container</th><th>State</th><th>Ran for</th><th>Restarts</th><th>Image</th></tr></thead>
            <tbody>
              {containers.map(({ c, before }) => (
                <tr key={c.name}>
                  <td>{c.name}{before && <small>runs first</small>}</td>
                  <td>{fareOf(c)}</td>
                  <td><Span from={c.state?.running?.startedAt ?? c.state?.terminated?.startedAt} to={c.state?.terminated?.finishedAt} /></td>
                  <td>
                    {c.restartCount}
                    {c.lastState?.terminated && <><small>{lastOf(c.lastState.terminated)}</small><small><Link to={from} params={{ namespace: metadata.namespace ?? '', name: metadata.name ?? '' }} search={{ view: 'logs', run: 'previous' }}>What it printed</Link></small></>}
                  </td>
                  <td className={house.muted}>{c.image}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Card>
        {state === 'running' && !gone && <Ports pod={pod} />}
      </div>
      <Card title="Facts">
        <Facts of={[
          ['Namespace', metadata.namespace],
          ['Belongs to', owner && (kind ? <Link key="owner" {...jobLink({ kind, namespace: metadata.namespace ?? '', name: owner.name })}>{owner.kind} {owner.name}</Link> : `${owner.kind} ${owner.name}`)],
          ['Node', spec?.nodeName],
          ['Address', status?.podIP],
          ['Made', <Ago key="made" at={metadata.creationTimestamp} />],
          ['Ports', (spec?.containers ?? []).flatMap((c) => c.ports ?? []).map((p) => `${p.name ?? ''} ${p.containerPort}`).join(', ')],
          ['Volumes', (spec?.volumes ?? []).filter((v) => !v.name.startsWith('kube-api-access')).map((v) => v.name).join(', ')],
        ]} />
      </Card>
    </div>
  )
}

/** Ports are links to what listens in a pod: to the ports that it names, and to any other. */
function Ports({ pod: { metadata, spec } }: { pod: Pod & { metadata: object } }) {
  const [namespace, name] = [metadata.namespace ?? '', metadata.name ?? '']
  const may = useRights(namespace)
  const [typed, type] = useState('')
  const href = (port: number | string) => `/portforward/${namespace}/${name}/${port}/`
  const ports = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].flatMap((c) => c.ports ?? []).filter((p) => (p.protocol ?? 'TCP') === 'TCP')
  if (!may.known) return null
  return (
    <Card title="Ports">
      {!may('create', portForwards) ? <p className={house.muted}>Who may only look opens no ports. The role edit in {namespace} lets you.</p> : (
        <form className={house.row} onSubmit={(e) => { e.preventDefault(); window.open(href(typed), '_blank', 'noopener') }}>
          {ports.map((p) => <a key={p.containerPort} href={href(p.containerPort)} target="_blank" rel="noopener" className={house.button}>{p.name ? `${p.name} ${p.containerPort}` : p.containerPort}</a>)}
          <input className={house.input} aria-label="Another port" placeholder="Another port" inputMode="numeric" pattern="[1-9][0-9]{0,4}" title="A number from 1 to 65535" required value={typed} onChange={(e) => type(e.target.value)} />
          <Button type="submit">Open</Button>
          <span className={house.muted}>For programs that show pages. On a terminal: <code>weir kubectl port-forward pod/{name} -n {namespace} {ports[0]?.containerPort ?? (typed || 8000)}</code></span>
        </form>
      )}
    </Card>
  )
}

/** lastOf says how a container ended before it was started again. */
function lastOf({ exitCode, reason, finishedAt }: NonNullable<NonNullable<ContainerStatus['lastState']>['terminated']>) {
  return <>ended with {exitCode}{reason && reason !== 'Error' && `, ${reason}`}, <Ago at={finishedAt} /></>
}

function fareOf(c: ContainerStatus) {
  const { running, terminated, waiting } = c.state ?? {}
  if (running) return <StateMark state="running" />
  if (terminated) return <StateMark state={terminated.exitCode === 0 ? 'done' : 'failed'} word={terminated.exitCode === 0 ? 'Done' : `Ended with ${terminated.exitCode}`} />
  return <><StateMark state="waiting" word={waiting?.reason ?? 'Waiting'} />{waiting?.message && <small>{waiting.message}</small>}</>
}

function Logs({ pod }: { pod: Pod & { metadata: object } }) {
  const { run } = useSearch({ from })
  const navigate = useNavigate({ from })
  const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  const again = all.some((c) => c.restartCount > 0)
  const previous = run === 'previous' && again
  const sources = useSources(
    all.map((c, i): Source => ({
      namespace: pod.metadata.namespace ?? '', pod: pod.metadata.name ?? '', container: c.name, label: c.name, colour: i,
      ...(previous ? { previous, started: c.restartCount > 0, ended: true } : {
        started: Boolean(c.state?.running ?? c.state?.terminated ?? c.lastState?.terminated),
        ended: Boolean(c.state?.terminated) && (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed' || pod.status?.phase === 'Running' && i < (pod.status.initContainerStatuses ?? []).length),
      }),
    })),
  )
  const choice = again && (
    <Choices label="Run" value={previous ? 'previous' : 'last'} options={[{ value: 'last', label: 'This run' }, { value: 'previous', label: 'The one before' }] as const}
      onChange={(to) => void navigate({ search: (old) => ({ ...old, run: to === 'previous' ? to : undefined }), replace: true })} />
  )
  return <LogView key={String(previous)} name={pod.metadata.name ?? ''} sources={sources} choice={choice} />
}
