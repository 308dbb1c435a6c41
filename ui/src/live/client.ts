import type { Status } from '../api/kubernetes'

/** An ApiError is what weir answered when it did not do what was asked, or that it did not answer. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 when nobody answered, and -1 when it went wrong here. */
    readonly status: number,
    readonly reason: string,
    message: string,
    /** What is wrong with which field, where the API server says so. */
    readonly causes: readonly { field: string; message: string }[] = [],
  ) {
    super(message)
  }
}

export const problemOf = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(-1, 'Unknown', error instanceof Error ? error.message : String(error))

/** noAnswer tells whether nobody answered, so that it is worth to ask again by and by. */
export const noAnswer = (error: unknown) => error instanceof ApiError && error.status === 0

/** notHere tells whether weir has no such thing beside this cluster, which somebody else runs. */
export const notHere = (error: unknown) => error instanceof ApiError && error.reason === 'NoRoute'

type Options = { signal?: AbortSignal; type?: string; headers?: Record<string, string> }

/** call asks weir and reads JSON. Whatever goes wrong is an ApiError. */
export async function call<T>(method: string, path: string, body?: unknown, options: Options = {}): Promise<T> {
  const response = await send(method, path, body === undefined ? undefined : JSON.stringify(body), options)
  return (await response.json()) as T
}

/** send asks weir and returns the answer, if it is a good one. */
export async function send(method: string, path: string, body?: BodyInit, options: Options = {}): Promise<Response> {
  const init: RequestInit = { method, headers: { Accept: 'application/json, */*', ...options.headers } }
  if (options.signal) init.signal = options.signal
  if (body !== undefined) {
    init.body = body
    init.headers = { ...init.headers, 'Content-Type': options.type ?? 'application/json' }
  }
  let response: Response
  try {
    response = await fetch(path, init)
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new ApiError(0, 'NoAnswer', 'weir does not answer. Is it running?')
  }
  if (response.ok) return response
  // Who asks for the session is told by the answer, and need not ask again.
  if (response.status === 401 && path !== '/session') window.dispatchEvent(new Event('weir:signed-out'))
  throw await refusal(response)
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text()
  try {
    const status = JSON.parse(text) as Status
    const causes = (status.details?.causes ?? []).map((c) => ({ field: c.field ?? '', message: c.message ?? '' }))
    return new ApiError(response.status, status.reason ?? '', status.message ?? text, causes)
  } catch {
    // S3 says it in XML.
    const said = text.startsWith('<') ? (/<Message>([^<]*)</.exec(text)?.[1] ?? '') : text.trim()
    return new ApiError(response.status, response.statusText, said || response.statusText || `The answer has the status ${response.status}.`)
  }
}

/** patch changes the named fields of an object and leaves the others. */
export const patch = <T>(path: string, change: unknown) => call<T>('PATCH', path, change, { type: 'application/merge-patch+json' })
