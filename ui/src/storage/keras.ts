import type { Source } from './ranges'
import { contents, members } from './zip'

/** A Layer is one of a Keras model, as its configuration has it. */
export interface Layer {
  name: string
  kind: string
  /** What it was built for. */
  input: string
  /** What its maker said of it: units=10, activation=softmax. */
  said: string
}

export interface Model {
  name: string
  kind: string
  layers: Layer[]
  keras?: string
}

type Config = { class_name?: string; config?: Record<string, unknown>; build_config?: { input_shape?: unknown } }

const told = ['units', 'filters', 'kernel_size', 'pool_size', 'strides', 'padding', 'rate', 'activation', 'input_dim', 'output_dim', 'num_heads', 'key_dim', 'batch_shape']
const longest = 16 << 20

/** modelOf reads what a .keras file says of its model, without its weights. */
export async function modelOf(source: Source): Promise<Model> {
  const all = await members(source)
  const read = async (name: string) => {
    const m = all.find((one) => one.name === name)
    return m && (JSON.parse(new TextDecoder().decode(await contents(source, m, longest))) as unknown)
  }
  const config = (await read('config.json')) as Config | undefined
  if (!config) throw new Error('This is no model of Keras 3: the archive has no config.json.')
  const metadata = (await read('metadata.json')) as { keras_version?: string } | undefined
  const layers = (config.config?.['layers'] ?? []) as Config[]
  return {
    name: word(config.config?.['name']), kind: config.class_name ?? 'Model', ...(metadata?.keras_version && { keras: metadata.keras_version }),
    layers: layers.map((l) => ({
      name: word(l.config?.['name']), kind: l.class_name ?? '?', input: l.build_config?.input_shape ? word(l.build_config.input_shape) : '',
      said: told.filter((k) => l.config?.[k] !== undefined && l.config[k] !== null).map((k) => `${k}=${word(l.config?.[k])}`).join(', '),
    })),
  }
}

function word(value: unknown): string {
  if (Array.isArray(value)) return `(${value.map((v) => (v === null ? 'any' : word(v))).join(', ')})`
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return value && typeof value === 'object' && 'class_name' in value ? String(value.class_name) : ''
}
