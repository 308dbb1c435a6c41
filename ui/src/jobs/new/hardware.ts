import { useQuery } from '@tanstack/react-query'
import { call } from '../../live/client'
import { quantity } from '../../house/say'

/** Hardware is what each replica asks for, by a name that the site has given it. */
export interface Hardware {
  cpu?: string
  memory?: string
  gpu?: number
}

/** useHardware is the menu of weir.yaml; without one it is empty. */
export function useHardware(): Readonly<Record<string, Hardware>> {
  const { data } = useQuery({
    queryKey: ['hardware'],
    queryFn: ({ signal }) => call<{ hardware: Record<string, Hardware> }>('GET', '/weir/hardware', undefined, { signal }),
    staleTime: 60_000,
  })
  return data?.hardware ?? none
}

const none = {}

type Amounts = Record<string, string | number | undefined>
/** Resources are what a container asks for, as Kubernetes writes it. */
export interface Resources {
  requests?: Amounts
  limits?: Amounts
}

/** resourcesOf asks for hardware as weir run does: processor time is shared, and not cut off where some is left. */
export function resourcesOf(h: Hardware): Resources {
  const own = { ...(h.memory && { memory: h.memory }), ...(h.gpu && { 'nvidia.com/gpu': h.gpu }) }
  return { requests: { ...(h.cpu && { cpu: h.cpu }), ...own }, ...(Object.keys(own).length > 0 && { limits: own }) }
}

/** nameOf is the hardware of a menu that resources ask for, if they do. */
export const nameOf = (menu: Readonly<Record<string, Hardware>>, asked: Resources | undefined): string =>
  Object.keys(menu).find((name) => {
    const { requests, limits } = resourcesOf(menu[name] ?? {})
    return same(requests, asked?.requests) && same(limits, asked?.limits)
  }) ?? ''

const same = (a: Amounts = {}, b: Amounts = {}) => [...new Set([...Object.keys(a), ...Object.keys(b)])].every((n) => quantity(a[n]) === quantity(b[n]))

/** saidOf says what hardware is: 8 CPU, 32Gi, 1 GPU. */
export const saidOf = (h: Hardware) => [h.cpu && `${h.cpu} CPU`, h.memory, h.gpu && `${h.gpu} GPU`].filter(Boolean).join(', ')
