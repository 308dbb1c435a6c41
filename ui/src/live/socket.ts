/** hangUp ends a WebSocket of which nothing more is wanted. Browsers complain when one is closed that is not open yet, so it is opened first. */
export function hangUp(socket: WebSocket) {
  socket.onmessage = null
  socket.onclose = null
  socket.onopen = socket.readyState === WebSocket.CONNECTING ? () => socket.close() : null
  if (socket.readyState === WebSocket.OPEN) socket.close()
}
