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

/** `1 worker`, `1,200 workers`, `2 classes` */
export function counted(value: number, what: string, plural = `${what}s`): string {
  return `${count(value)} ${value === 1 ? what : plural}`
}

/** `0.08`, `1e-8`: a number of any size, without rounding errors. */
export function plain(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return `${Number(value.toPrecision(6))}`
  return value.toLocaleString('en', { maximumSignificantDigits: 6 })
}

/** Time of day, with the date if it differs from that of `since`. @param seconds since 1970 */
export function clock(seconds: number, since = seconds): string {
  const [time, start] = [new Date(1000 * seconds), new Date(1000 * since)]
  const day = time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  const isSameDay = time.toDateString() === start.toDateString()
  return `${isSameDay ? '' : `${day}, `}${time.toLocaleTimeString('en-GB')}`
}

/** `28 Nov 2026, 17:04:05 UTC`, in the reader's time zone. @param time seconds since 1970, or ISO 8601 */
export function moment(time: number | string): string {
  const parts = { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' } as const
  return new Date(typeof time === 'number' ? 1000 * time : time).toLocaleString('en-GB', {
    ...parts,
    ...{ second: '2-digit', timeZoneName: 'short' },
  })
}
