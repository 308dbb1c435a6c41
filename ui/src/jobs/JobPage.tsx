import { Link, Outlet, useNavigate, useParams, useRouterState } from '@tanstack/react-router'
import { useMutation } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { Button } from '../house/Button'
import { Confirm, type Question } from '../house/Confirm'
import { Icon } from '../house/Icon'
import { Menu } from '../house/Menu'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { Page } from '../house/Page'
import { StateMark } from '../house/State'
import { Told } from '../house/Told'
import { problemOf } from '../live/client'
import { apiVersionOf } from '../live/resource'
import { useRights } from '../live/rights'
import { useObject } from '../live/useLive'
import { KeptLogs } from '../logs/KeptLogs'
import { jobLink } from '../paths'
import { nameOfReplica } from '../pods/read'
import { jobActions, jobCan } from './actions'
import { jobKinds, kindOf, wordOf } from './kinds'
import { jobOf, sentenceOf, type Job, type JobObject } from './read'
import { JobContext, podsOf, useExplanation, useReplicas } from './useJob'
import { TensorboardButton } from '../tensorboard/TensorboardButton'
import house from '../house/house.module.css'
import tabs from '../house/tabs.module.css'

/** JobPage is a job of any kind: how it fares, why, and what can be done with it. */
export function JobPage() {
  const { namespace, plural, name } = useParams({ from: '/jobs/$namespace/$plural/$name' })
  const kind = kindOf(plural)
  if (!kind)
    return (
      <Page title={name} crumbs={<Crumb />} command="weir kubectl api-resources">
        <Notice icon="alert" title={`${plural} is no kind of job`}>The kinds are {jobKinds.map((k) => k.plural).join(', ')}.</Notice>
      </Page>
    )
  return <JobOfKind key={`${namespace}/${plural}/${name}`} kind={kind} namespace={namespace} name={name} />
}

const Crumb = () => <><Link to="/jobs">Jobs</Link> <Icon name="right" size={12} /></>

function JobOfKind({ kind, namespace, name }: { kind: Job['kind']; namespace: string; name: string }) {
  const { object, gone, phase, problem, retry } = useObject<JobObject>(kind, namespace, name)
  const job = object && jobOf(object, kind)
  const pods = useReplicas(kind, namespace, name)
  const explanation = useExplanation(gone ? undefined : job, pods.replicas)
  const view = useMemo(() => job && { job, ...pods, gone }, [job, pods, gone])
  const which = useMemo(() => ({ labelSelector: podsOf(kind, name) }), [kind, name])
  const labelOf = useCallback((pod: string) => nameOfReplica(pod, name, kind.family !== 'kubeflow'), [kind, name])
  const tab = useRouterState({ select: (r) => r.location.pathname.split('/')[5] ?? 'overview' })
  const target = `${wordOf(kind)}/${name} -n ${namespace}`
  const commands: Record<string, string> = {
    curves: `weir watch ${target}`, logs: `weir logs ${target} -f`, events: `weir kubectl events --for ${target}`, manifest: `weir kubectl get ${target} -o yaml`,
  }
  const command = commands[tab] ?? (kind.hasCourse ? `weir watch ${target}` : `weir explain ${target}`)

  if (!view) {
    return (
      <Page title={name} crumbs={<Crumb />} command={command}>
        {problem && phase === 'failed' ? <Problem problem={problem} what="this job" retry={retry} /> : phase === 'loading' ? <Loading what={name} /> : (
          <Notice icon="alert" title={`There is no ${kind.kind} ${name} in ${namespace}`} actions={<Link to="/jobs">All jobs</Link>}>
            It was deleted, or had another name. What it has saved is where it put it; events of it are kept for an hour.
          </Notice>
        )}
        {gone && <KeptLogs namespace={namespace} name={name} which={which} labelOf={labelOf} />}
      </Page>
    )
  }
  const stuck = explanation.data && explanation.data.sentence !== '' && view.job.state !== 'running' && !gone
  return (
    <JobContext value={view}>
      <Page title={name} crumbs={<Crumb />} command={command} fill={tab === 'logs'}
        sentence={<><StateMark state={view.job.state} {...(view.job.word && { word: view.job.word })} />{!stuck && <span>{sentenceOf(view.job)}</span>}</>}
        actions={gone ? undefined : <Actions job={view.job} />}
        nav={<Tabs job={view.job} />}>
        {gone && <Notice icon="alert" title={`${name} has been deleted`}>You see it as it was. Its pods have gone with it. Their logs stay for a while, and what it has saved is where it put it.</Notice>}
        {stuck && explanation.data && <Told failed={view.job.state === 'failed'} explanation={explanation.data} />}
        <Outlet />
      </Page>
    </JobContext>
  )
}

function Tabs({ job }: { job: Job }) {
  const { params } = jobLink(job)
  const here = { activeOptions: { exact: true, includeSearch: false }, params } as const
  return (
    <nav className={tabs.tabs} aria-label="Of this job">
      <Link to="/jobs/$namespace/$plural/$name" {...here}>Overview</Link>
      {job.kind.hasCourse && <Link to="/jobs/$namespace/$plural/$name/curves" {...here}>Curves</Link>}
      <Link to="/jobs/$namespace/$plural/$name/logs" {...here}>Logs</Link>
      <Link to="/jobs/$namespace/$plural/$name/events" {...here}>Events</Link>
      <Link to="/jobs/$namespace/$plural/$name/manifest" {...here}>Manifest</Link>
    </nav>
  )
}

function Actions({ job }: { job: Job }) {
  const [question, ask] = useState<Question>()
  const navigate = useNavigate()
  const may = useRights(job.namespace)
  const resume = useMutation({ mutationFn: () => jobActions.resume(job) })
  const more = [
    ...(jobCan.restart(job) && may('patch', job.kind) ? [{ label: 'Restart', icon: 'running' as const, onSelect: () => ask(jobActions.restart(job)) }] : []),
    ...(may('create', job.kind) ? [{ label: 'Run again with changes', icon: 'running' as const, onSelect: () => void navigate({ to: '/jobs/new', search: { from: `again:${job.namespace}/${job.kind.plural}/${job.name}` } }) }] : []),
    ...(may('delete', job.kind) ? [{ label: 'Delete', danger: true, onSelect: () => ask(jobActions.remove(job)) }] : []),
  ]
  if (more.length === 0 && !may('patch', job.kind)) return <OnlyView may={may} namespace={job.namespace} />
  return (
    <>
      {resume.error && <span role="alert" className={house.error}>{problemOf(resume.error).message}</span>}
      <TensorboardButton namespace={job.namespace} wanted={{ apiVersion: apiVersionOf(job.kind), kind: job.kind.kind, name: job.name }} />
      {jobCan.stop(job) && may('patch', job.kind) && <Button icon="stopped" onClick={() => ask(jobActions.stop(job))}>Stop</Button>}
      {jobCan.resume(job) && may('patch', job.kind) && <Button icon="running" look="first" disabled={resume.isPending} onClick={() => resume.mutate()}>Resume</Button>}
      {more.length > 0 && <Menu label="More" trigger={<Icon name="more" />} items={more} />}
      <Confirm question={question} onClose={() => ask(undefined)} onDone={() => { if (question?.verb === 'Delete') void navigate({ to: '/jobs' }) }} />
    </>
  )
}
