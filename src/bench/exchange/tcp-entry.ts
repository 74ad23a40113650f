import net from 'node:net'

/** Receives vectors of so many bytes, and answers each with one byte: `tcp-entry.js BYTES`. Tells its parent process the port. */
const bytes = Number(process.argv[2])
let received = 0

const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on('data', ({ length }) => {
    received += length
    if (received < bytes) return
    received -= bytes
    socket.write('.')
  })
  socket.on('close', () => process.exit(0))
})
process.on('disconnect', () => process.exit(1))
server.listen(0, '127.0.0.1', () => process.send!((server.address() as net.AddressInfo).port))
