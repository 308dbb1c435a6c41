import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { yaml } from '@codemirror/lang-yaml'
import { foldGutter, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, setDiagnostics, type Diagnostic } from '@codemirror/lint'
import { search, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension } from '@codemirror/state'
import { EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { useEffect, useRef } from 'react'
import s from './house.module.css'

const look = EditorView.theme({
  '&': { height: '100%', fontSize: '12.5px', color: 'var(--text)', backgroundColor: 'var(--surface)' },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--code-font)', lineHeight: '1.55' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, ::selection': { backgroundColor: 'var(--accent-ground) !important' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', color: 'var(--text)', border: '1px solid var(--line)' },
})

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: tags.comment, color: 'var(--muted)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--done)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'var(--waiting)' },
])

/** A Fault is something wrong in a text, from one place in it to another. */
export interface Fault {
  from: number
  to: number
  message: string
}

/**
 * YamlEditor shows YAML, and changes it where onChange is given. It lies in a
 * shadow root: there it brings its styles as style sheets, and not as elements,
 * which the page's policy does not let in.
 */
export function YamlEditor({ label, value, onChange, faults }: { label: string; value: string; onChange?: (value: string) => void; faults?: readonly Fault[] }) {
  const place = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const changed = useRef(onChange)
  useEffect(() => {
    changed.current = onChange
  })
  const editable = onChange !== undefined

  useEffect(() => {
    if (!place.current) return
    const root = place.current.shadowRoot ?? place.current.attachShadow({ mode: 'open' })
    const parent = root.appendChild(document.createElement('div'))
    const extensions: Extension[] = [
      lineNumbers(), foldGutter(), yaml(), look, syntaxHighlighting(colours), search({ top: true }),
      EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0', ...(!editable && { 'aria-readonly': 'true' }) }),
      keymap.of([...defaultKeymap, ...searchKeymap, ...historyKeymap, ...(editable ? [indentWithTab] : [])]),
    ]
    if (editable) extensions.push(history(), indentOnInput(), highlightActiveLine(), lintGutter())
    else extensions.push(EditorState.readOnly.of(true), EditorView.editable.of(false))
    extensions.push(EditorView.updateListener.of((u) => { if (u.docChanged && !u.transactions.some((t) => t.isUserEvent('weir'))) changed.current?.(u.state.doc.toString()) }))
    const v = (view.current = new EditorView({ parent, root, extensions }))
    v.dom.parentElement?.style.setProperty('height', '100%')
    return () => {
      v.destroy()
      parent.remove()
    }
  }, [label, editable])

  useEffect(() => {
    const v = view.current
    if (v && v.state.doc.toString() !== value) v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: value }, userEvent: 'weir' })
  }, [value, label, editable])

  useEffect(() => {
    const v = view.current
    if (!v || !faults) return
    const end = v.state.doc.length
    const diagnostics = faults.map((f): Diagnostic => ({ from: Math.min(f.from, end), to: Math.min(f.to, end), message: f.message, severity: 'error' }))
    v.dispatch(setDiagnostics(v.state, diagnostics))
  }, [faults, value])

  return <div ref={place} className={s.editor} data-keys />
}
