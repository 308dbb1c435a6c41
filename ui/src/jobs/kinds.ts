import type { Resource } from '../live/resource'

/** A JobKind is a kind of training job, and where it says what the pages show. */
export interface JobKind extends Resource {
  /** How the kind reports: the conditions and counts in its status. */
  readonly family: 'kubeflow' | 'trainjob' | 'jobset' | 'batch'
  /** The field of the spec that has the replicas by type, of the family kubeflow. */
  readonly replicas?: string
  /** Whether weir follows how far its jobs are. */
  readonly hasCourse: boolean
}

const kubeflow = (kind: string, replicas: string): JobKind => ({
  group: 'kubeflow.org', version: 'v1', kind, plural: `${kind.toLowerCase()}s`, namespaced: true, family: 'kubeflow', replicas, hasCourse: true,
})

export const jobKinds: readonly JobKind[] = [
  kubeflow('TFJob', 'tfReplicaSpecs'),
  kubeflow('PyTorchJob', 'pytorchReplicaSpecs'),
  kubeflow('MPIJob', 'mpiReplicaSpecs'),
  kubeflow('XGBoostJob', 'xgbReplicaSpecs'),
  kubeflow('PaddleJob', 'paddleReplicaSpecs'),
  kubeflow('JAXJob', 'jaxReplicaSpecs'),
  kubeflow('MXJob', 'mxReplicaSpecs'),
  { group: 'trainer.kubeflow.org', version: 'v1alpha1', kind: 'TrainJob', plural: 'trainjobs', namespaced: true, family: 'trainjob', hasCourse: true },
  { group: 'jobset.x-k8s.io', version: 'v1alpha2', kind: 'JobSet', plural: 'jobsets', namespaced: true, family: 'jobset', hasCourse: false },
  { group: 'batch', version: 'v1', kind: 'Job', plural: 'jobs', namespaced: true, family: 'batch', hasCourse: false },
]

export const kindOf = (plural: string) => jobKinds.find((k) => k.plural === plural)
export const kindNamed = (kind: string | undefined) => jobKinds.find((k) => k.kind === kind)

/** wordOf is the kind as the command line has it: tfjob. */
export const wordOf = (k: Resource) => k.kind.toLowerCase()
