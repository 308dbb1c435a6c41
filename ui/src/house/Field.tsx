import { useId, type ComponentProps, type ReactNode } from 'react'
import s from './house.module.css'

/** A Field is an input with its label, a hint, and what is wrong with it. */
export function Field({ label, hint, error, render }: {
  label: string
  hint?: ReactNode
  error?: string | undefined
  render: (props: { id: string; className: string | undefined; 'aria-invalid': boolean; 'aria-describedby': string }) => ReactNode
}) {
  const id = useId()
  return (
    <div className={s.field}>
      <label htmlFor={id}>{label}</label>
      {render({ id, className: s.input, 'aria-invalid': error !== undefined, 'aria-describedby': `${id}-more` })}
      <small id={`${id}-more`}>{error ? <span className={s.error} role="alert">{error}</span> : hint}</small>
    </div>
  )
}

/** Search narrows a list down. The key / leads to it. */
export function Search(props: ComponentProps<'input'> & { label: string }) {
  const { label, ...rest } = props
  return <input type="search" aria-label={label} placeholder={label} data-search {...rest} className={s.input} />
}
