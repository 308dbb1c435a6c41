import { createLink } from '@tanstack/react-router'
import type { ComponentProps } from 'react'
import { Icon, type IconName } from './Icon'
import s from './house.module.css'

function Anchor({ icon, children, ...rest }: ComponentProps<'a'> & { icon?: IconName }) {
  return (
    <a {...rest} className={s.button} data-look="first">
      {icon && <Icon name={icon} />}
      {children}
    </a>
  )
}

/** A LinkButton leads to a page where something is begun. */
export const LinkButton = createLink(Anchor)
