import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An HTTP server that keeps what is posted to it. */
export interface WebhookServer {
  readonly url: string
  /** In the order of their arrival. */
  readonly posts: { readonly method: string; readonly type: string | undefined; readonly path: string; body: unknown }[]
  close(): void
}

/** @param statuses of its answers in order; the last one repeats; 0: it never answers */
export async function startWebhookServer(statuses: readonly number[] = [204]): Promise<WebhookServer> {
  const posts: WebhookServer['posts'] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const { method = '', headers, url: path = '' } = request
      posts.push({ method, type: headers['content-type'], path, body: text === '' ? undefined : JSON.parse(text) })
      const status = statuses[Math.min(posts.length, statuses.length) - 1]!
      if (status > 0) response.writeHead(status, { location: '/elsewhere' }).end('text of the answer')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    posts,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
