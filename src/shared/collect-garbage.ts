import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

/** Frees what nobody refers to any more, in the whole heap of this thread. It waits meanwhile: some 50 ms for a heap of 50 MB. */
export function collectGarbage(): void {
  if (collect === undefined) {
    // Node has no call for it; a context that is made after the flag has one.
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
}
