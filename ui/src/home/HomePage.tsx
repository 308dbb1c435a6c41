import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Example } from '../examples/examples'
import { create } from '../examples/run'
import { Button } from '../house/Button'
import { Loading, Notice, OnlyView, Problem } from '../house/Notice'
import { Bar, Card, Page } from '../house/Page'
import { count } from '../house/say'
import { StateMark } from '../house/State'
import { Ago } from '../house/Time'
import { byNeed } from '../jobs/list'
import { sentenceOf, type Job } from '../jobs/read'
import { useExplanation } from '../jobs/useJob'
import { useJobs } from '../jobs/useJobs'
import { problemOf } from '../live/client'
import { everywhere, useRights } from '../live/rights'
import { jobKinds } from '../jobs/kinds'
import { nodes } from '../live/resource'
import { jobLink } from '../paths'
import { Use } from '../machine/Use'
import { useNow } from '../house/now'
import house from '../house/house.module.css'
import s from './home.module.css'

const aDay = 24 * 3_600_000

/** HomePage is what one wants to know first: what needs somebody, what runs, what has finished. */
export function HomePage() {
  const { ns } = useSearch({ from: '__root__' })
  const { rows, loading, problem, retry } = useJobs(ns ?? '')
  const now = useNow(60_000)
  const may = useRights(ns ?? 'default') // where examples are made
  const mayMake = jobKinds.some((k) => may('create', k))
  const maySeeMachine = useRights(everywhere)('list', nodes)
  const { needs, runs, ended } = useMemo(() => {
    const sorted = byNeed(rows, now)
    const lately = (j: Job) => now - Date.parse(j.ended ?? j.created ?? '') < aDay
    return {
      needs: sorted.filter((j) => j.state === 'waiting' || (j.state === 'failed' && lately(j))),
      runs: sorted.filter((j) => j.state === 'running'),
      ended: sorted.filter((j) => j.state === 'done').sort((a, b) => Date.parse(b.ended ?? '') - Date.parse(a.ended ?? '')),
    }
  }, [rows, now])

  return (
    <Page title="Home" command="weir status">
      {problem ? <Problem problem={problem} what="jobs" retry={retry} /> : rows.length === 0 && loading ? <Loading what="what runs" /> : (
        <div className={s.home}>
          <div className={s.main}>
            {rows.length === 0 && (mayMake ? <Welcome /> : may.known && <Notice icon="jobs" title="No jobs yet">What others start here appears by itself. <OnlyView may={may} namespace={ns ?? ''} /></Notice>)}
            {needs.length > 0 && (
              <Card title={`Waits or has failed: ${needs.length}`} end={<Link to="/jobs">All jobs</Link>}>
                <ul className={s.needs}>{needs.slice(0, 6).map((j) => <Need key={j.key} job={j} />)}</ul>
              </Card>
            )}
            {rows.length > 0 && (
              <Card title={runs.length === 0 ? 'Runs' : `Runs: ${runs.length}`} end={<Link to="/jobs" search={{ state: 'running' }}>All that run</Link>}>
                {runs.length === 0 ? <p className={house.muted}>No job runs now.</p> : (
                  <ul className={s.runs}>
                    {runs.slice(0, 8).map((j) => (
                      <li key={j.key}>
                        <Link {...jobLink(j)}>{j.name}</Link>
                        <span className={house.muted}>{sentenceOf(j)}</span>
                        {j.progress?.done !== undefined && <Bar value={j.progress.done} label={`Progress of ${j.name}`} />}
                      </li>
                    ))}
                  </ul>
                )}
              </Card>
            )}
            {ended.length > 0 && (
              <Card title="Finished" end={<Link to="/jobs" search={{ state: 'done' }}>All that are done</Link>}>
                <ul className={s.ended}>
                  {ended.slice(0, 6).map((j) => (
                    <li key={j.key}>
                      <StateMark state={j.state} />
                      <Link {...jobLink(j)}>{j.name}</Link>
                      <span className={house.muted}>{sentenceOf(j)}</span>
                      <Ago at={j.ended} />
                    </li>
                  ))}
                </ul>
              </Card>
            )}
            {rows.length > 0 && mayMake && <Examples />}
          </div>
          <aside className={s.aside}>
            {maySeeMachine && <Card title="This machine"><Use /></Card>}
          </aside>
        </div>
      )}
    </Page>
  )
}

function Need({ job }: { job: Job }) {
  const { data } = useExplanation(job, [])
  return (
    <li>
      <StateMark state={job.state} {...(job.word && { word: job.word })} />
      <div>
        <Link {...jobLink(job)}>{job.name}</Link>
        <p>{data?.sentence || sentenceOf(job) || `${count(job.replicas.wanted, 'replica')} not started yet`}</p>
        {data?.remedy && <p className={house.muted}>{data.remedy}</p>}
      </div>
    </li>
  )
}

function Welcome() {
  return (
    <section className={s.welcome}>
      <h2>Train a model</h2>
      <p>
        A job is a program that trains a model, once or over several replicas. Start one of these: each is real, needs nothing else, and shows its curves within a minute or two, once
        its environment has been built.
      </p>
      <Examples open />
    </section>
  )
}

// The examples come with their files, which nobody needs who does not look at them.
function Examples({ open }: { open?: boolean }) {
  const { data } = useQuery({ queryKey: ['examples'], queryFn: async () => (await import('../examples/examples')).examples, staleTime: Infinity })
  if (!data) return null
  const cards = <ul className={s.examples}>{data.map((e) => <ExampleCard key={e.id} example={e} />)}</ul>
  if (open) return cards
  return (
    <details className={s.more}>
      <summary>Examples to run</summary>
      {cards}
    </details>
  )
}

function ExampleCard({ example }: { example: Example }) {
  const { ns } = useSearch({ from: '__root__' })
  const navigate = useNavigate()
  const run = useMutation({
    mutationFn: () => create(example.objects(), ns ?? 'default'),
    onSuccess: (job) => void (job && navigate(jobLink(job))),
  })
  const problem = run.error ? problemOf(run.error) : undefined
  return (
    <li>
      <h3>{example.title}</h3>
      <p className={house.muted}>{example.text}</p>
      {problem && <p role="alert" className={house.error}>{problem.reason === 'AlreadyExists' ? 'It is there already: delete it to run it anew.' : problem.message}</p>}
      <Button look="first" icon="running" disabled={run.isPending} onClick={() => run.mutate()} aria-label={`Run ${example.title}`}>Run</Button>
    </li>
  )
}
