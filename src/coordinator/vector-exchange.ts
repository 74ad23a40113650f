import type { Logger } from '../shared/log/log.js'
import { nativeLoopsProblem } from '../shared/native-loops.js'
import type { SharedFilesOffer } from '../shared/shared-files.js'
import { SharedFiles } from '../shared/shared-files.js'
import { Traffic } from './traffic.js'
import { WeightsStore } from './weights-store.js'

/** How vectors travel: through memory to workers of this machine where there is such memory, else over the network. */
export class VectorExchange {
  readonly traffic = new Traffic()
  readonly weights: WeightsStore
  readonly files: SharedFiles | undefined
  /** What workers need to find the files. */
  readonly offer: SharedFilesOffer | undefined

  constructor({ info, warn }: Pick<Logger, 'info' | 'warn'>) {
    const slow = nativeLoopsProblem()
    if (slow !== undefined) info(`The arithmetic of vectors runs in JavaScript, several times slower: ${slow}.`)
    const shared = SharedFiles.create((why) => {
      info(`Vectors travel over the network, to workers of this machine too: ${why}.`)
    })
    this.files = shared?.files
    this.offer = shared?.offer
    let isReported = false
    this.weights = new WeightsStore({
      files: this.files,
      onShared: (bytes) => {
        this.traffic.add('weights', 'sent', 'memory', bytes)
      },
      onNotShared: (why) => {
        if (!isReported) warn(`Weights travel over the network, to workers of this machine too: ${why}`)
        isReported = true
      },
      onNotInPlace: (why) => {
        info(`Weights are copied for workers of this machine: ${why}`)
      },
    })
  }

  close(): void {
    this.files?.close()
  }
}
