import { FitAddon } from '@xterm/addon-fit'
import { Terminal as Xterm } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { useEffect, useRef, useState } from 'react'
import type { Status } from '../api/kubernetes'
import { Button } from '../house/Button'
import { pathOf, pods } from '../live/resource'
import { hangUp } from '../live/socket'
import house from '../house/house.module.css'
import s from './pods.module.css'

// What a container has of shells is not known before: the better one is taken.
const shell = ['sh', '-c', 'command -v bash >/dev/null 2>&1 && exec bash || exec sh']

/** Terminal is a shell in a container, through Kubernetes' own protocol: the first byte of each message says what it is. */
export function Terminal({ namespace, pod, containers, first }: { namespace: string; pod: string; containers: readonly string[]; first: string }) {
  const place = useRef<HTMLDivElement>(null)
  const [container, setContainer] = useState(first)
  const [attempt, again] = useState(0)
  const [ended, setEnded] = useState('')

  useEffect(() => {
    const box = place.current
    if (!box) return
    const colour = (token: string) => getComputedStyle(box).getPropertyValue(token)
    const terminal = new Xterm({ fontSize: 13, fontFamily: colour('--code-font'), theme: { background: '#0d0e10', foreground: '#e9e9e6' }, screenReaderMode: true, scrollback: 10_000 })
    const fit = new FitAddon()
    terminal.loadAddon(fit)
    terminal.open(box)
    fit.fit()
    terminal.focus()

    const query = new URLSearchParams({ container, stdin: 'true', stdout: 'true', stderr: 'true', tty: 'true' })
    for (const word of shell) query.append('command', word)
    const address = new URL(`${pathOf(pods, namespace, pod)}/exec?${query}`, location.href)
    address.protocol = address.protocol.replace('http', 'ws')
    const socket = new WebSocket(address, ['v5.channel.k8s.io', 'v4.channel.k8s.io'])
    socket.binaryType = 'arraybuffer'
    let early: Uint8Array<ArrayBuffer>[] = [] // what is typed before there is a shell
    const send = (channel: number, text: string) => {
      const data = new TextEncoder().encode(text)
      const message = new Uint8Array(data.length + 1)
      message[0] = channel
      message.set(data, 1)
      if (socket.readyState === WebSocket.CONNECTING) early.push(message)
      else if (socket.readyState === WebSocket.OPEN) socket.send(message)
    }
    const size = () => send(4, JSON.stringify({ Width: terminal.cols, Height: terminal.rows }))
    socket.onopen = () => {
      size()
      early.forEach((m) => socket.send(m))
      early = []
    }
    socket.onmessage = (message) => {
      const data = new Uint8Array(message.data as ArrayBuffer)
      const rest = data.subarray(1)
      if (data[0] === 1 || data[0] === 2) terminal.write(rest)
      if (data[0] === 3 && rest.length > 0) {
        const status = JSON.parse(new TextDecoder().decode(rest)) as Status
        setEnded(status.status === 'Success' ? 'The shell has ended.' : (status.message ?? 'The shell has ended.'))
      }
    }
    socket.onclose = () => setEnded((said) => said || 'The connection to the shell has ended.')
    const typed = terminal.onData((text) => send(0, text))
    const resized = terminal.onResize(size)
    const sized = new ResizeObserver(() => fit.fit())
    sized.observe(box)
    return () => {
      sized.disconnect()
      typed.dispose()
      resized.dispose()
      hangUp(socket)
      terminal.dispose()
      setEnded('')
    }
  }, [namespace, pod, container, attempt])

  return (
    <div className={s.terminal} data-keys>
      <div className={house.row}>
        {containers.length > 1 && (
          <select className={house.input} aria-label="Container" value={container} onChange={(e) => setContainer(e.target.value)}>
            {containers.map((c) => <option key={c}>{c}</option>)}
          </select>
        )}
        {ended && <><span role="status" className={house.muted}>{ended}</span><Button onClick={() => again(attempt + 1)}>Another shell</Button></>}
      </div>
      <div ref={place} className={s.screen} />
    </div>
  )
}
