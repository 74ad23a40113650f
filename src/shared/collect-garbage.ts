import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/**
 * From now on garbage is marked in one go, on all threads of this process: some 5 ms for a heap of 15 MB. V8 starts to mark after every 64 MB
 * that buffers took, and would do so for up to 10 ms at each new buffer: that was a third of a worker's time while vectors travelled over
 * the network.
 */
export function markGarbageInOneGo(): void {
  setFlagsFromString('--no-incremental-marking')
}

/** Collects garbage in the whole heap of this thread, which stops meanwhile: some 50 ms for a heap of 50 MB. */
export function collectGarbage(): void {
  if (collect === undefined) {
    // Node has no function for it, but a context created after the flag is set has one.
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
