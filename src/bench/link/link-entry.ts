import { BOTH, FaultProxy } from './fault-proxy.js'
import type { LinkRequest } from './link.js'

/**
 * A link with a delay and perhaps a limit, as a process of its own: `link-entry.js ROUND_TRIP_MS MEGABITS`; 0 megabits: no limit.
 * Answers each {@link LinkRequest} of its parent process with the address of a way there, and ends with it.
 */
const [roundTripMs, megabits] = process.argv.slice(2).map(Number) as [number, number]
/** A link without a limit still holds what is on its way. */
const MOST_HELD_BYTES = 256 * 2 ** 20
const LEAST_HELD_BYTES = 256 * 1024
const bytesPerSecond = megabits > 0 ? (megabits * 1e6) / 8 : Infinity
const onTheWay = (bytesPerSecond * roundTripMs) / 1000
const maxHeldBytes = Math.max(LEAST_HELD_BYTES, Math.min(MOST_HELD_BYTES, onTheWay))

process.on('disconnect', () => process.exit(0))
process.on('message', ({ target }: LinkRequest) => {
  void FaultProxy.start(target).then((proxy) => {
    proxy.set(BOTH, { delayMs: roundTripMs / 2, bytesPerSecond, maxHeldBytes })
    process.send!(proxy.address)
  })
})
