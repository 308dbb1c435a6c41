// Jobs for tests: of this machine's own programs, so that nothing has to be built.

const container = (name: string, script: string, more: object = {}) => ({ name, image: 'busybox', command: ['sh', '-c', script], ...more })

/** training says what a training says: a loss that sinks, epoch by epoch. */
export const training = (name: string, epochs: number, seconds: number) => ({
  apiVersion: 'kubeflow.org/v1',
  kind: 'PyTorchJob',
  metadata: { name, namespace: 'default' },
  spec: {
    pytorchReplicaSpecs: {
      Master: {
        replicas: 1,
        restartPolicy: 'Never',
        template: {
          spec: {
            terminationGracePeriodSeconds: 1,
            containers: [container('pytorch', `i=0; while [ $i -lt ${epochs} ]; do i=$((i+1)); echo "Epoch $i/${epochs}"; echo "loss: 0.$((99-i)) - accuracy: 0.$((10+i))"; sleep ${seconds}; done; echo model saved`, { resources: { requests: { cpu: '100m', memory: '64Mi' } } })],
          },
        },
      },
    },
  },
})

/** broken fails at once, and says why. */
export const broken = (name: string) => ({
  apiVersion: 'kubeflow.org/v1',
  kind: 'TFJob',
  metadata: { name, namespace: 'default' },
  spec: {
    tfReplicaSpecs: {
      Worker: { replicas: 1, restartPolicy: 'Never', template: { spec: { containers: [container('tensorflow', 'echo "ValueError: shapes (3,) and (4,) do not match" >&2; exit 1')] } } },
    },
  },
})

/** large asks for more than any machine has. */
export const large = (name: string) => ({
  apiVersion: 'kubeflow.org/v1',
  kind: 'JAXJob',
  metadata: { name, namespace: 'default' },
  spec: {
    jaxReplicaSpecs: {
      Worker: { replicas: 1, restartPolicy: 'Never', template: { spec: { containers: [container('jax', 'true', { resources: { requests: { cpu: '4096' } } })] } } },
    },
  },
})

// Serves the folder that it is in; below /away it sends on to whatever else stands in the path, and at /socket it says hello.
const serve = `
import base64, hashlib
from http.server import *
class Handler(SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        if self.path == '/socket':
            key = self.headers['Sec-WebSocket-Key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
            self.send_response(101)
            self.send_header('Upgrade', 'websocket')
            self.send_header('Connection', 'Upgrade')
            self.send_header('Sec-WebSocket-Accept', base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
            self.end_headers()
            self.wfile.write(b'\\x81\\x05hello')
            return self.rfile.read(1)
        if not self.path.startswith('/away'):
            return super().do_GET()
        self.send_response(307)
        self.send_header('Location', self.path[5:])
        self.send_header('Content-Length', '0')
        self.end_headers()
ThreadingHTTPServer(('', 8000), Handler).serve_forever()
`

/** box is a pod that fails once, and then serves what lies in its volume. */
export const box = (name: string, namespace = 'default') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [container('main', `
      [ -f /work/again ] || { touch /work/again; echo the first run; exit 3; }
      echo the second run
      mkdir -p /work/models && echo epoch,loss > /work/models/loss.csv && echo 1,0.5 >> /work/models/loss.csv
      echo '<title>here</title><h1>Served from the box</h1><script src=own.js></script>' > /work/index.html
      echo 'document.title = "its own script ran"' > /work/own.js
      cd /work && exec python3 -c "$SERVE"`, { env: [{ name: 'SERVE', value: serve }], ports: [{ containerPort: 8000, name: 'web' }], volumeMounts: [{ name: 'work', mountPath: '/work' }] })],
    volumes: [{ name: 'work', emptyDir: {} }],
  },
})
