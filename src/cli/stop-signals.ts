/**
 * First SIGINT or SIGTERM: `stop`. Second: the process ends at once, status 130.
 * @returns takes the handlers away again
 */
export function onStopSignals(stop: (signal: NodeJS.Signals) => void): () => void {
  let asked = false
  const handle = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(130)
    asked = true
    stop(signal)
  }
  process.on('SIGINT', handle)
  process.on('SIGTERM', handle)
  return () => {
    process.off('SIGINT', handle)
    process.off('SIGTERM', handle)
  }
}
