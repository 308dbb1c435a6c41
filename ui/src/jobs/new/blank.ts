import { stringify } from 'yaml'
import { apiVersionOf } from '../../live/resource'
import type { JobKind } from '../kinds'

/** A Program is where the program of a new job comes from. */
export type Program = 'script' | 'git' | 'storage' | 'image'

export const programs: readonly { program: Program; title: string }[] = [
  { program: 'script', title: 'A script, written here' },
  { program: 'git', title: 'A Git repository' },
  { program: 'storage', title: 'A folder in storage' },
  { program: 'image', title: 'An image that has it' },
]

// What a job of a kind needs at least, with the names that its framework knows.
interface Role {
  container: string
  image: string
  types: [type: string, replicas: number][]
}
const roles: Record<string, Role> = {
  TFJob: { container: 'tensorflow', image: 'tensorflow/tensorflow:2.21.0', types: [['Chief', 1], ['Worker', 2]] },
  PyTorchJob: { container: 'pytorch', image: 'pytorch/pytorch:2.8.0', types: [['Master', 1], ['Worker', 2]] },
  MPIJob: { container: 'mpi', image: 'mpioperator/openmpi', types: [['Launcher', 1], ['Worker', 2]] },
  XGBoostJob: { container: 'xgboost', image: 'weir.local/xgboost', types: [['Master', 1], ['Worker', 2]] },
  PaddleJob: { container: 'paddle', image: 'paddlepaddle/paddle:3.0.0', types: [['Worker', 2]] },
  JAXJob: { container: 'jax', image: 'weir.local/jax', types: [['Worker', 2]] },
  MXJob: { container: 'mxnet', image: 'python:3.11', types: [['Scheduler', 1], ['Server', 1], ['Worker', 2]] },
  JobSet: { container: 'main', image: 'python:3.11', types: [['worker', 1]] },
  Job: { container: 'main', image: 'python:3.11', types: [] },
}

const script = `print("epoch 1/1")
print("loss: 0.5")
`

/** A runtime of a TrainJob has its image; it takes no init containers, which would fetch a program. */
const bare: readonly Program[] = ['script', 'image']

/** programsFor are the ways that a program can come to a job of a kind. */
export const programsFor = (kind: JobKind): readonly Program[] => (kind.family === 'trainjob' ? bare : programs.map((p) => p.program))

/** Where a program lies: what it is mounted at, and in which folder it starts. */
export const codeFolder = '/code'

/** blank is a manifest to begin with: a job of a kind, and its program. at is where in storage that lies, as s3://bucket/folder/train.py. */
export function blank(kind: JobKind, name: string, program: Program, at = ''): string {
  const job = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name }, spec: specOf(kind, name, program, at) }
  const code = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `${name}-code` }, data: { 'train.py': script } }
  return (program === 'script' ? [job, code] : [job]).map((o) => stringify(o, { lineWidth: 0 })).join('---\n')
}

function specOf(kind: JobKind, name: string, program: Program, at: string): object {
  const command = ['python', '-u', program === 'script' ? `${codeFolder}/train.py` : at.endsWith('.py') ? (at.split('/').at(-1) ?? '') : 'train.py']
  if (kind.family === 'trainjob')
    return {
      runtimeRef: { name: 'torch-distributed' },
      trainer: { numNodes: 2, ...(program === 'script' && { command: ['torchrun', `${codeFolder}/train.py`] }) },
      ...(program === 'script' && {
        podTemplateOverrides: [{ targetJobs: [{ name: 'node' }], spec: { volumes: [volumeOf(name, program)], containers: [{ name: 'node', volumeMounts: [mount()] }] } }],
      }),
    }
  const role = roles[kind.kind]
  if (!role) throw new Error(`kind ${kind.kind}: nobody has said what a job of it needs`)
  const pods = (words: string[] | undefined) => ({ metadata: { labels: { 'weir-ml.github.io/s3': 'true' } }, spec: podOf(role, name, program, at, words) })
  const never = (words: string[]) => {
    const t = pods(words)
    return { ...t, spec: { restartPolicy: 'Never', ...t.spec } }
  }
  if (kind.family === 'batch') return { backoffLimit: 0, template: never(command) }
  if (kind.family === 'jobset')
    return { replicatedJobs: role.types.map(([type, replicas]) => ({ name: type, replicas, template: { spec: { backoffLimit: 0, template: never(command) } } })) }

  // The same template twice is written once, and referred to.
  const all = pods(command)
  const launches = kind.kind === 'MPIJob'
  const launcher = launches ? pods(['mpirun', '-np', '2', ...command]) : all
  const worker = launches ? pods(undefined) : all
  return {
    [kind.replicas ?? '']: Object.fromEntries(role.types.map(([type, replicas], i) => [type, { replicas, restartPolicy: 'OnFailure', template: i === 0 ? launcher : worker }])),
  }
}

const mount = () => ({ name: 'code', mountPath: codeFolder })
const volumeOf = (name: string, program: Program) => ({ name: 'code', ...(program === 'script' ? { configMap: { name: `${name}-code` } } : { emptyDir: {} }) })

/** podOf is a pod that runs a command where the program lies; of an image that has it, the image's own. */
function podOf(role: Role, name: string, program: Program, at: string, command: string[] | undefined): object {
  const main = { name: role.container, image: role.image }
  if (program === 'image') return { containers: [main] }
  const fetch = { git: cloning('', ''), storage: copying(at.slice(0, at.lastIndexOf('/') + 1)), script: undefined }[program]
  return {
    ...(fetch && { initContainers: [{ name: 'code', ...fetch, volumeMounts: [mount()] }] }),
    containers: [{ ...main, ...(fetch && { workingDir: codeFolder }), ...(command && { command }), volumeMounts: [mount()] }],
    volumes: [volumeOf(name, program)],
  }
}

/** cloning is a container that fetches a branch or tag of a repository. */
export const cloning = (address: string, branch: string) => ({
  image: 'alpine/git:2.49.1',
  command: ['git', 'clone', '--depth=1', ...(branch ? [`--branch=${branch}`] : []), '--', address, codeFolder],
})

/** copying is a container that fetches a folder of the storage. */
export const copying = (folder: string) => ({ image: 'amazon/aws-cli:2.27.50', command: ['aws', 's3', 'cp', '--recursive', '--only-show-errors', folder, `${codeFolder}/`] })
