import type { JobKind } from '../kinds'

// What a job of a kind needs at least, with the names that its framework knows.
const roles: Record<string, { container: string; image: string; types: [string, number][] }> = {
  TFJob: { container: 'tensorflow', image: 'tensorflow/tensorflow:2.21.0', types: [['Chief', 1], ['Worker', 2]] },
  PyTorchJob: { container: 'pytorch', image: 'pytorch/pytorch:2.8.0', types: [['Master', 1], ['Worker', 2]] },
  XGBoostJob: { container: 'xgboost', image: 'weir.local/xgboost', types: [['Master', 1], ['Worker', 2]] },
  PaddleJob: { container: 'paddle', image: 'paddlepaddle/paddle:3.0.0', types: [['Worker', 2]] },
  JAXJob: { container: 'jax', image: 'weir.local/jax', types: [['Worker', 2]] },
}

const script = `print("epoch 1/1")
print("loss: 0.5")
`

/** blankKinds are the kinds that one may begin with. */
export const blankKinds = (kinds: readonly JobKind[]) => kinds.filter((k) => roles[k.kind] || k.family === 'batch')

/** blank is a manifest to begin with: a job that runs one script. */
export function blank(kind: JobKind, name: string): string {
  const role = roles[kind.kind]
  const template = (indent: string) => `template:
  metadata:
    labels:
      weir-ml.github.io/s3: "true" # gives the program the keys to S3
  spec:${role ? '' : '\n    restartPolicy: Never'}
    containers:
      - name: ${role?.container ?? 'main'}
        image: ${role?.image ?? 'python:3.11'}
        command: [python, -u, /code/train.py]
        volumeMounts:
          - name: code
            mountPath: /code
    volumes:
      - name: code
        configMap:
          name: ${name}-code
`.replaceAll('\n', `\n${indent}`).trimEnd()
  const body = role
    ? `  ${kind.replicas}:\n${role.types.map(([type, n], i) => `    ${type}:\n      replicas: ${n}\n      restartPolicy: OnFailure\n      ${i === 0 && role.types.length > 1 ? template('      ').replace('template:', 'template: &replica') : i > 0 ? 'template: *replica' : template('      ')}\n`).join('')}`
    : `  backoffLimit: 0\n  ${template('  ')}\n`
  return `apiVersion: ${kind.group}/${kind.version}
kind: ${kind.kind}
metadata:
  name: ${name}
spec:
${body}---
apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}-code
data:
  train.py: |
${script.replace(/^(?=.)/gm, '    ')}`
}
