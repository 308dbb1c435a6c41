import type { KubeObject } from '../live/resource'

/** A RoleBinding gives a role to some people, in the words of Kubernetes. */
export interface RoleBinding extends KubeObject {
  roleRef: { kind: string; name: string }
  subjects?: { kind: string; name: string; namespace?: string }[]
}

/** A Grant is that one user or group has one role. */
export interface Grant {
  binding: string
  kind: 'User' | 'Group'
  name: string
  role: string
  /** Whether the binding gives nothing to others, so that it can go. */
  alone: boolean
}

/** roles are those that people are given, and what they are for. */
export const roles = { view: 'look', edit: 'run, change and delete', admin: 'give roles, too' } as const

const group = 'rbac.authorization.k8s.io'

/** grantsOf are the people in bindings, by name. Programs' own accounts are left out. */
export function grantsOf(bindings: readonly RoleBinding[]): Grant[] {
  return bindings
    .flatMap((b) => (b.subjects ?? []).flatMap((p): Grant[] => (p.kind === 'User' || p.kind === 'Group'
      ? [{ binding: b.metadata.name ?? '', kind: p.kind, name: p.name, role: b.roleRef.name, alone: b.subjects?.length === 1 }] : [])))
    .sort((a, b) => a.name.localeCompare(b.name) || a.role.localeCompare(b.role))
}

/** bindingFor gives a role to a user or a group, as weir user add --role does. */
export const bindingFor = (kind: string, name: string, role: string) => ({
  apiVersion: `${group}/v1`, kind: 'RoleBinding', metadata: { generateName: `weir-${role}-` },
  roleRef: { apiGroup: group, kind: 'ClusterRole', name: role }, subjects: [{ apiGroup: group, kind, name }],
})
