import type { Socket } from 'node:net'

/** What every HTTP/2 client sends first (RFC 9113, 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/**
 * Hands a connection over once its peer has proved that it speaks HTTP/2: a session costs some 20 kB of garbage that V8 takes for
 * long-lived. What begins otherwise, such as HTTP/1.1 or TLS, is closed at once. Who says nothing is another's to close.
 * @param take gets the socket with everything that came still to be read
 */
export function afterPreface(socket: Socket, take: () => void): void {
  let begun = Buffer.alloc(0)
  const look = (): void => {
    const more = socket.read() as Buffer | null
    if (more === null) return
    begun = Buffer.concat([begun, more])
    const length = Math.min(begun.length, PREFACE.length)
    if (!begun.subarray(0, length).equals(PREFACE.subarray(0, length))) socket.destroy()
    if (socket.destroyed || length < PREFACE.length) return
    socket.off('readable', look)
    socket.unshift(begun)
    take()
  }
  socket.on('readable', look)
  // Whoever takes it has a listener of its own.
  socket.on('error', () => undefined)
}
