import type { Launcher } from './launcher.js'
import { MAX_START_MS } from './local-workers.js'

const PATIENCE_MS = 10_000

/** One worker in the coordinator's process; it talks gRPC over loopback like any other. */
export const standalone = {
  name: 'standalone',
  description: "one, in the coordinator's process",
  inCoordinator: true,
  launch({ address, device, log, onNoneLeft }) {
    const leave = new AbortController()
    const startedMs = performance.now()
    let isThere = true
    const worker = { address, patienceMs: PATIENCE_MS, device, sharedMemory: true, log, leaveSignal: leave.signal }
    const work = async (): Promise<string> => (await import('../worker/run-worker.js')).runWorker(worker)
    const ended = work().catch((error: unknown) => {
      isThere = false
      if (!leave.signal.aborted) onNoneLeft(`the worker of this process ended: ${(error as Error).message}`)
    })
    return {
      close: async () => {
        leave.abort()
        await ended
      },
      starting: () => (isThere && performance.now() - startedMs < MAX_START_MS ? 1 : 0),
    }
  },
} as const satisfies Launcher
