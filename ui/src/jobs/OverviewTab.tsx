import { Link } from '@tanstack/react-router'
import { ChartGrid } from '../curves/ChartGrid'
import { useSeries } from '../curves/useSeries'
import { Icon } from '../house/Icon'
import { Loading, Problem } from '../house/Notice'
import { Bar, Card, Facts } from '../house/Page'
import { about, figure } from '../house/say'
import { StateMark } from '../house/State'
import { Ago, Span } from '../house/Time'
import { events } from '../live/resource'
import { useRights } from '../live/rights'
import type { Replica } from '../pods/read'
import { jobLink, podLink } from '../paths'
import { replicaSpecs, templateOf, valuesOf, type Job } from './read'
import { Resources } from './Resources'
import { TimeLine } from './TimeLine'
import { useArrivals, useJobView } from './useJob'
import house from '../house/house.module.css'
import s from './jobs.module.css'

/** OverviewTab is what one wants to know of a job first. */
export function OverviewTab() {
  const { job, replicas, reading, unread } = useJobView()
  const series = useSeries(job)
  const maySee = useRights(job.namespace)('list', events)
  return (
    <div className={s.overview}>
      <div className={s.main}>
        {job.progress && <Course job={job} />}
        <Card title="Replicas" flush={!unread} end={<span className={house.muted}>{replicas.length} of {job.replicas.wanted}</span>}>
          {unread ? <Problem {...unread} what="its pods" /> : replicas.length === 0 && reading ? <div className={s.none}><Loading what="its pods" rows={2} /></div>
            : replicas.length === 0 ? <p className={s.none}>{job.suspended ? 'None while the job is stopped.' : job.ended ? <>Their pods were taken away when the job ended. Their <Link to="/jobs/$namespace/$plural/$name/logs" params={jobLink(job).params}>logs</Link> stay for a while.</> : 'None has been made yet.'}</p>
            : <Replicas job={job} replicas={replicas} />}
        </Card>
        {replicas.length > 0 && (
          <Card title="Time line">
            {maySee ? <Seen namespace={job.namespace} replicas={replicas} series={series.data} /> : <TimeLine replicas={replicas} seen={[]} series={series.data} />}
          </Card>
        )}
        {series.data && series.data.length > 0 && (
          <Card title="Curves" end={<Link to="/jobs/$namespace/$plural/$name/curves" params={jobLink(job).params}>All curves</Link>}>
            <ChartGrid lines={series.data} most={2} axis="step" log={false} smoothing={0} identities={replicas.map((r) => r.name)} />
          </Card>
        )}
      </div>
      <aside className={s.aside}>
        <Resources namespace={job.namespace} replicas={replicas} />
        <JobFacts job={job} />
      </aside>
    </div>
  )
}

const Seen = ({ namespace, ...line }: { namespace: string } & Omit<Parameters<typeof TimeLine>[0], 'seen'>) => <TimeLine {...line} seen={useArrivals(namespace)} />

function Course({ job }: { job: Job }) {
  const p = job.progress
  if (!p) return null
  return (
    <Card title={p.text ? p.text.charAt(0).toUpperCase() + p.text.slice(1) : 'Progress'}
      end={job.state === 'running' && p.left !== undefined && p.left > 0 ? <span className={house.muted}>{about(p.left)} left</span> : undefined}>
      {p.done !== undefined && <Bar value={p.done} label="Progress" state={job.state} />}
      <dl className={s.values}>
        {valuesOf(p).slice(0, 8).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{figure(value)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  )
}

function Replicas({ job, replicas }: { job: Job; replicas: readonly Replica[] }) {
  return (
    <table className={s.replicas}>
      <thead>
        <tr><th>Replica</th><th>State</th><th>Ran for</th><th>Restarts</th><th>Pod</th><th><span className="visually-hidden">Logs</span></th></tr>
      </thead>
      <tbody>
        {replicas.map((r, i) => (
          <tr key={r.pod.metadata?.uid}>
            <td><span className={s.swatch} data-series={i % 8} aria-hidden="true" />{r.name}</td>
            <td><StateMark state={r.state} word={r.word} />{r.message && <small>{r.message}</small>}</td>
            <td><Span from={r.started} to={r.ended} /></td>
            <td>{r.restarts}</td>
            <td><Link {...podLink(job.namespace, r.pod.metadata?.name ?? '')} className={house.muted}>{r.pod.metadata?.name}</Link></td>
            <td><Link to="/jobs/$namespace/$plural/$name/logs" params={jobLink(job).params} search={{ replica: r.pod.metadata?.name }} aria-label={`Logs of ${r.name}`}>Logs</Link></td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function JobFacts({ job }: { job: Job }) {
  const container = templateOf(job.object, job.kind)?.spec?.containers[0]
  const asked = container?.resources?.requests ?? container?.resources?.limits
  const outputs = outputsOf(job)
  return (
    <Card title="Facts">
      <Facts of={[
        ['Kind', job.kind.kind],
        ['Namespace', job.namespace],
        ['Replicas', Object.entries(replicaSpecs(job.object, job.kind)).map(([type, r]) => `${r.replicas ?? 1} ${type}`).join(', ')],
        ['Image', container?.image],
        ['Command', container?.command && <code key="command" className={s.words}>{[...container.command, ...(container.args ?? [])].join(' ')}</code>],
        ['Asked for', asked && Object.entries(asked).map(([name, n]) => `${n} ${name}`).join(', ')],
        ['Made', <Ago key="made" at={job.created} />],
        ['Took', job.started && <Span key="took" from={job.started} to={job.ended ?? (job.state === 'running' ? undefined : job.started)} />],
        ['Outputs', outputs.length > 0 && <ul key="out">{outputs.map((o) => <li key={o}>{o}</li>)}</ul>],
        ['Owner', job.object.metadata.ownerReferences?.map((o) => `${o.kind} ${o.name}`).join(', ')],
      ]} />
      {job.reason && job.message && job.state !== 'done' && <p className={s.condition}><Icon name={job.state} size={14} /> {job.message}</p>}
    </Card>
  )
}

// What a job leaves behind is where its words and its annotation say: they are addresses in S3, or of claims.
function outputsOf(job: Job): string[] {
  const words = (templateOf(job.object, job.kind)?.spec?.containers ?? []).flatMap((c) => [...(c.command ?? []), ...(c.args ?? []), ...(c.env ?? []).map((e) => e.value ?? '')])
  const events = job.object.metadata.annotations?.['weir-ml.github.io/events']
  const found = words.flatMap((w) => w.match(/\b(s3|pvc):\/\/[^\s'"]+/g) ?? [])
  return [...new Set([...found, ...(events ? [events] : [])])]
}
