import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo, useRef } from 'react'
import { Button, Choices } from '../house/Button'
import { Loading, Notice, Problem } from '../house/Notice'
import { save } from '../house/save'
import { placeOf } from '../jobs/read'
import { useJobView } from '../jobs/useJob'
import { useReach } from '../frame/session'
import { useJobs } from '../jobs/useJobs'
import { ChartGrid } from './ChartGrid'
import { identityOf, toCSV } from './series'
import { useCompared, useSeries } from './useSeries'
import type { CurvesView } from './view'
import house from '../house/house.module.css'
import s from './curves.module.css'

/** CurvesTab draws all that a job's replicas say of themselves, and that of others beside it. */
export function CurvesTab() {
  const { job, replicas } = useJobView()
  const from = '/jobs/$namespace/$plural/$name/curves'
  const view = useSearch({ from })
  const navigate = useNavigate({ from })
  const set = (change: Partial<CurvesView>) => void navigate({ search: (old) => ({ ...old, ...change }), replace: true })
  const own = useSeries(job)
  const { rows } = useJobs(useReach())
  const place = useRef<HTMLDivElement>(null)

  const others = useMemo(() => rows.filter((j) => view.with?.includes(placeOf(j))), [rows, view.with])
  const comparing = others.length > 0
  const compared = useCompared(comparing ? [job, ...others] : [])
  const all = comparing ? compared : (own.data ?? [])
  const said = new Set(all.map(identityOf))
  const identities = comparing ? [...said] : [...new Set([...replicas.map((r) => r.name), ...said])]
  const lines = view.of && !comparing ? all.filter((l) => view.of?.includes(l.replica)) : all

  if (own.isLoading) return <Loading what="curves" />
  if (own.error && own.error.status !== 404) return <Problem problem={own.error} what="curves" retry={() => void own.refetch()} />
  const candidates = rows.filter((j) => j.kind.hasCourse && j.progress && placeOf(j) !== placeOf(job) && !view.with?.includes(placeOf(j)))

  return (
    <>
      <div className={s.tools}>
        <Choices label="Over" value={view.axis ?? 'step'} onChange={(axis) => set({ axis: axis === 'step' ? undefined : axis })}
          options={[{ value: 'step', label: 'Steps' }, { value: 'epoch', label: 'Epochs' }, { value: 'time', label: 'Time' }]} />
        <label><input type="checkbox" checked={view.log ?? false} onChange={(e) => set({ log: e.target.checked || undefined })} />Logarithmic</label>
        <label>
          Smoothing
          <input type="range" min={0} max={0.98} step={0.02} value={view.smooth ?? 0} onChange={(e) => set({ smooth: Number(e.target.value) || undefined })} />
        </label>
        <select className={house.input} aria-label="Compare with" value="" onChange={(e) => set({ with: [...(view.with ?? []), e.target.value] })} disabled={candidates.length === 0}>
          <option value="">{candidates.length === 0 ? 'No other job to compare with' : 'Compare with…'}</option>
          {candidates.slice(0, 500).map((j) => <option key={j.key} value={placeOf(j)}>{j.name} ({j.kind.kind}, {j.namespace})</option>)}
        </select>
        {others.map((j) => <Button key={j.key} look="quiet" icon="failed" onClick={() => set({ with: view.with?.filter((w) => w !== placeOf(j)) })} aria-label={`Leave out ${j.name}`}>{j.name}</Button>)}
        <Button look="quiet" icon="download" disabled={lines.length === 0} onClick={() => save(`${job.name}.csv`, new Blob([toCSV(lines)], { type: 'text/csv' }))}>CSV</Button>
        <Button look="quiet" icon="download" disabled={lines.length === 0} onClick={() => savePictures(place.current, job.name)}>PNG</Button>
      </div>
      {!comparing && said.size > 1 && (
        <div className={s.tools} role="group" aria-label="Replicas">
          {identities.map((name, i) => {
            if (!said.has(name)) return null
            const shown = view.of?.includes(name) ?? true
            const next = shown ? (view.of ?? identities).filter((n) => n !== name) : [...(view.of ?? []), name]
            return (
              <label key={name}>
                <input type="checkbox" checked={shown} onChange={() => set({ of: next.length === identities.length || next.length === 0 ? undefined : next })} />
                <i className={s.swatch} data-series={i % 8} />
                {name}
              </label>
            )
          })}
        </div>
      )}
      {lines.length === 0 ? (
        <Notice title={job.ended ? 'It has said no numbers' : 'No numbers yet'}>
          Curves come from what the replicas print: epochs, losses, accuracies, or any <code>name=value</code> or <code>name: value</code>. Nothing has to be added to the program.
        </Notice>
      ) : (
        <div ref={place} className={s.sheet}>
          <ChartGrid lines={lines} axis={view.axis ?? 'step'} log={view.log ?? false} smoothing={view.smooth ?? 0} identities={identities} />
        </div>
      )}
    </>
  )
}

function savePictures(place: HTMLElement | null, name: string) {
  place?.querySelectorAll('figure').forEach((figure) => {
    const title = figure.querySelector('strong')?.textContent ?? 'curve'
    figure.querySelector('canvas')?.toBlob((blob) => blob && save(`${name}-${title}.png`, blob))
  })
}
