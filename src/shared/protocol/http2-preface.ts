import type { Socket } from 'node:net'

/** The first bytes of every HTTP/2 client (RFC 9113, 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/**
 * Passes a connection on once its peer has sent the HTTP/2 preface: a session costs some 20 kB of garbage that V8 takes for long-lived.
 * Other protocols, such as HTTP/1.1 or TLS, are closed at once. Silent connections are closed by OpenConnections.
 * @param take called when the socket is ready, with all received bytes still to be read
 */
export function afterPreface(socket: Socket, take: () => void): void {
  let begun = Buffer.alloc(0)
  const check = (): void => {
    const more = socket.read() as Buffer | null
    if (more === null) return
    begun = Buffer.concat([begun, more])
    const length = Math.min(begun.length, PREFACE.length)
    if (!begun.subarray(0, length).equals(PREFACE.subarray(0, length))) socket.destroy()
    if (socket.destroyed || length < PREFACE.length) return
    socket.off('readable', check)
    socket.unshift(begun)
    take()
  }
  socket.on('readable', check)
  // Prevents a crash until `take` adds its own listener.
  socket.on('error', () => undefined)
}
