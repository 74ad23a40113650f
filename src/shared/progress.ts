const INTERVAL_MS = 1000

/** @returns a function that reports a line at most once a second, and none in the first second */
export function progressEverySecond(report: (line: string) => void): (line: () => string) => void {
  let next = performance.now() + INTERVAL_MS
  return (line) => {
    if (performance.now() < next) return
    next = performance.now() + INTERVAL_MS
    report(line())
  }
}
