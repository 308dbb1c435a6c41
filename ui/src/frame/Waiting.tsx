import { Link } from '@tanstack/react-router'
import { Icon } from '../house/Icon'
import { useJobs } from '../jobs/useJobs'
import { useReach } from './session'
import s from './frame.module.css'

/** Waiting says how many jobs wait, anywhere one may look. */
export function Waiting() {
  const { rows } = useJobs(useReach())
  const n = rows.filter((r) => r.state === 'waiting').length
  if (n === 0) return null
  return (
    <Link to="/jobs" search={{ state: 'waiting' }} className={s.waiting}>
      <Icon name="waiting" size={14} />
      {n} <span>waiting</span>
    </Link>
  )
}
