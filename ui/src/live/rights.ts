import { useQuery } from '@tanstack/react-query'
import { call } from './client'
import type { Resource } from './resource'

/** A Rule is what somebody may do, in the words of the API server. */
export interface Rule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
}

/** Rights say whether somebody may do a thing, as patch, with objects of a kind. */
export interface Rights {
  (verb: string, of: Pick<Resource, 'group' | 'plural'>): boolean
  /** Whether they have been asked for: before that there are none. */
  known: boolean
}

/** rightsBy are the rights that rules give. A rule for named objects is none for all. */
export const rightsBy = (rules: readonly Rule[]): Rights =>
  Object.assign(
    (verb: string, { group, plural }: Pick<Resource, 'group' | 'plural'>) =>
      rules.some((r) => has(r.verbs, verb) && has(r.apiGroups, group) && has(r.resources, plural) && !r.resourceNames?.length),
    { known: true },
  )

const has = (all: readonly string[] | undefined, one: string) => all?.some((a) => a === '*' || a === one) ?? false

/** everywhere is for what lies in no namespace. No namespace can be called so, and none gives a right there. */
export const everywhere = '-'

/**
 * useRights are one's own rights in a namespace. There are none until they are
 * known. The API server decides in any case: this is for not offering what it
 * would refuse.
 */
export function useRights(namespace: string): Rights {
  const at = namespace || everywhere
  const { data, isError } = useQuery({
    queryKey: ['rights', at],
    queryFn: async ({ signal }) => {
      const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace: at } }
      const { status } = await call<{ status: { resourceRules: Rule[] | null } }>('POST', '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', review, { signal })
      return rightsBy(status.resourceRules ?? [])
    },
    staleTime: 60_000,
  })
  return data ?? (isError ? all : none)
}

const none: Rights = Object.assign(() => false, { known: false })
const all: Rights = Object.assign(() => true, { known: true })

/** Things that are offered or not by the right to them, besides jobs. */
export const shells = { group: '', plural: 'pods/exec' }
export const portForwards = { group: '', plural: 'pods/portforward' }
export const podLogs = { group: '', plural: 'pods/log' }
export const bucketRights = { group: 'weir-ml.github.io', plural: 'buckets' }
export const imageRights = { group: 'weir-ml.github.io', plural: 'images' }
export const environmentRights = { group: 'weir-ml.github.io', plural: 'environments' }
export const tensorboards = { group: 'tensorboard.kubeflow.org', plural: 'tensorboards' }
export const podMetrics = { group: 'metrics.k8s.io', plural: 'pods' }
export const nodeMetrics = { group: 'metrics.k8s.io', plural: 'nodes' }
