import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useDeferredValue, useMemo, useState } from 'react'
import { Button, Choices } from '../house/Button'
import { ColumnChooser, useColumns } from '../house/Columns'
import { LinkButton } from '../house/LinkButton'
import { Confirm, type Question } from '../house/Confirm'
import { Search } from '../house/Field'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { useNow } from '../house/now'
import { Bar, Page } from '../house/Page'
import { StateMark, words, type State } from '../house/State'
import { sortRows, Table, type Column } from '../house/Table'
import { Ago, Span } from '../house/Time'
import { useRights } from '../live/rights'
import { jobLink } from '../paths'
import { jobActions } from './actions'
import { jobKinds } from './kinds'
import { byNeed, inView, sortOf, type View } from './list'
import { lastValues, placeOf, sentenceOf, type Job } from './read'
import { useJobs } from './useJobs'
import house from '../house/house.module.css'
import s from './jobs.module.css'

const columns: readonly Column<Job>[] = [
  { id: 'state', title: 'State', width: '104px', by: (j) => j.state, cell: (j) => <StateMark state={j.state} {...(j.word && { word: j.word })} /> },
  { id: 'name', title: 'Name', width: 'minmax(110px, 2fr)', by: (j) => j.name, cell: (j) => <Link {...jobLink(j)} title={j.name}>{j.name}</Link> },
  { id: 'kind', title: 'Kind', width: '104px', by: (j) => j.kind.kind, cell: (j) => j.kind.kind, wide: true },
  { id: 'namespace', title: 'Namespace', width: '96px', by: (j) => j.namespace, cell: (j) => j.namespace, wide: true },
  {
    id: 'progress', title: 'How it fares', width: 'minmax(120px, 4fr)', by: (j) => j.progress?.done ?? -1,
    cell: (j) => <Fare job={j} />,
  },
  {
    id: 'replicas', title: 'Replicas', width: '84px', end: true, by: (j) => j.replicas.wanted, wide: true,
    cell: (j) => (j.state === 'running' || j.state === 'waiting' ? `${j.replicas.active} / ${j.replicas.wanted}` : j.replicas.wanted),
  },
  {
    id: 'took', title: 'Time', width: '96px', end: true, by: (j) => (j.started ? Date.parse(j.ended ?? new Date().toISOString()) - Date.parse(j.started) : -1), wide: true,
    cell: (j) => (j.state === 'running' || j.ended ? <Span from={j.started} to={j.ended} /> : '–'),
  },
  { id: 'created', title: 'Made', width: '96px', end: true, by: (j) => -Date.parse(j.created ?? ''), cell: (j) => <Ago at={j.created} />, wide: true },
]

function Fare({ job }: { job: Job }) {
  const text = sentenceOf(job)
  return (
    <span className={s.fare} title={text}>
      {job.state === 'running' && job.progress?.done !== undefined && <Bar value={job.progress.done} label={`Progress of ${job.name}`} />}
      <span>{text || (job.progress && lastValues(job.progress, 2)) || ''}</span>
    </span>
  )
}

/** JobsPage lists every training job of every kind. */
export function JobsPage() {
  const view = useSearch({ from: '/jobs' })
  const navigate = useNavigate({ from: '/jobs' })
  const set = (change: Partial<View>) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true })
  const { rows, loading, problem, retry } = useJobs(view.ns ?? '')
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set())
  const [question, ask] = useState<Question>()
  const { columns: shownColumns, choose } = useColumns('weir.jobs.columns', columns, 'name', view.columns, (ids) => set({ columns: ids }))
  const may = useRights(view.ns ?? '')
  const mayMake = jobKinds.some((k) => may('create', k))

  const late = useDeferredValue(view)
  const now = useNow(600_000)
  const shown = useMemo(() => {
    const sort = sortOf(late)
    const found = inView(rows, late)
    return sort ? sortRows(found, columns, sort) : byNeed(found, now)
  }, [rows, late, now])
  const chosen = shown.filter((j) => selected.has(j.key))
  const comparable = comparisonOf(chosen)
  const used = new Set(rows.map((j) => j.kind.plural))
  const groupBy = view.group && { kind: (j: Job) => j.kind.kind, state: (j: Job) => words[j.state], namespace: (j: Job) => j.namespace }[view.group]

  return (
    <Page title="Jobs" fill actions={mayMake ? <NewJob /> : <OnlyView may={may} namespace={view.ns ?? ''} />} command={`weir kubectl get ${view.kind ?? jobKinds.map((k) => `${k.plural}.${k.group}`).join(',')} ${view.ns ? `-n ${view.ns}` : '-A'}`}>
      <div className={house.row}>
        <Search label="Search jobs" value={view.q ?? ''} onChange={(e) => set({ q: e.target.value || undefined })} />
        <Choices label="State" value={view.state ?? 'all'} onChange={(state) => set({ state: state === 'all' ? undefined : state })}
          options={[{ value: 'all' as State | 'all', label: `All ${rows.length.toLocaleString('en')}` }, ...stateChoices(rows)]} />
        <select className={house.input} aria-label="Kind" value={view.kind ?? ''} onChange={(e) => set({ kind: e.target.value || undefined })}>
          <option value="">All kinds</option>
          {jobKinds.filter((k) => used.has(k.plural) || k.plural === view.kind).map((k) => <option key={k.plural} value={k.plural}>{k.kind}</option>)}
        </select>
        <select className={house.input} aria-label="Group" value={view.group ?? ''} onChange={(e) => set({ group: (e.target.value || undefined) as View['group'] })}>
          <option value="">Not grouped</option>
          <option value="state">By state</option>
          <option value="kind">By kind</option>
          <option value="namespace">By namespace</option>
        </select>
        <ColumnChooser all={columns} shown={shownColumns} fixed="name" onChoose={choose} />
        {comparable && <LinkButton {...comparable}>Compare {chosen.length}</LinkButton>}
        {chosen.length > 0 && [...new Set(chosen.map((j) => j.kind))].every((kind) => may('delete', kind)) && (
          <Button look="danger" onClick={() => ask(jobActions.removeAll(chosen))}>Delete {chosen.length}</Button>
        )}
      </div>
      {problem ? <Problem problem={problem} what="jobs" retry={retry} />
        : rows.length === 0 && loading ? <Loading what="jobs" rows={8} />
        : rows.length === 0 ? <Nothing mayMake={mayMake} />
        : shown.length === 0 ? (
          <Notice title="No job is like that" actions={<Button onClick={() => set({ q: undefined, state: undefined, kind: undefined })}>Show all {rows.length}</Button>}>
            None of the jobs here matches what you search for.
          </Notice>
        ) : (
          <Table label="Jobs" columns={shownColumns} rows={shown} keyOf={(j) => j.key} sort={sortOf(view)} selected={selected} onSelect={setSelected} groupOf={groupBy}
            onSort={(sort) => set({ sort: sort.column + (sort.down ? '-down' : '') })} onOpen={(j) => void navigate(jobLink(j))} />
        )}
      <Confirm question={question} onClose={() => { ask(undefined); setSelected(new Set()) }} />
    </Page>
  )
}

/** comparisonOf leads to the curves of two to ten jobs, if all of them have curves. */
function comparisonOf(jobs: readonly Job[]) {
  const [first, ...others] = jobs
  if (!first || others.length === 0 || jobs.length > 10 || !jobs.every((j) => j.kind.hasCourse && j.progress)) return undefined
  return { to: '/jobs/$namespace/$plural/$name/curves', params: jobLink(first).params, search: { with: others.map(placeOf) } } as const
}

function stateChoices(rows: readonly Job[]) {
  const counts: Record<State, number> = { running: 0, waiting: 0, failed: 0, done: 0, stopped: 0 }
  for (const j of rows) counts[j.state]++
  return (Object.keys(counts) as State[]).filter((state) => counts[state] > 0).map((state) => ({ value: state, label: <>{words[state]} {counts[state]}</> }))
}

const NewJob = () => <LinkButton to="/jobs/new" icon="plus">New job</LinkButton>

function Nothing({ mayMake }: { mayMake: boolean }) {
  return (
    <Notice icon="jobs" title="No jobs yet" actions={mayMake && <NewJob />}>
      A job trains a model: a program that runs once or over several replicas, and ends. What you start here, with an SDK or with kubectl stands in this list.
    </Notice>
  )
}
