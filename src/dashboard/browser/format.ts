/** `83.1 %` */
export function share(value: number): string {
  return `${(100 * value).toFixed(1)} %`
}

/** `1 h 02 min`, `3 min 05 s` or `12 s` */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  const two = (value: number): string => `${value}`.padStart(2, '0')
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`
  return whole >= 60 ? `${Math.floor(whole / 60)} min ${two(whole % 60)} s` : `${whole} s`
}

/** `1.2 GB`; powers of ten. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let scaled = value
  for (; scaled >= 1000 && unit < units.length - 1; unit++) scaled /= 1000
  return `${scaled.toFixed(unit === 0 ? 0 : 1)} ${units[unit] ?? ''}`
}

/** `12,345` */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** `1 worker`, `1,200 workers` */
export function counted(value: number, what: string): string {
  return `${count(value)} ${what}${value === 1 ? '' : 's'}`
}

/** Time of day. @param seconds since 1970 */
export function clock(seconds: number): string {
  return new Date(1000 * seconds).toLocaleTimeString('en-GB')
}
