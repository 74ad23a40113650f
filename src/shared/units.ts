/** `1 worker`, `1,200 workers`: every count in a message is made by this function (lint checks it). @param many the plural, if it is not `one` with an s */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`
}

/** `1.5 GB`: decimal units. @param bytes at least 0 */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

/** `42 s`, `3 min 05 s`, `1 h 04 min`. @param seconds at least 0 */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const pad = (value: number): string => String(value).padStart(2, '0')
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`
}

/** `77.3 %`. @param share 0 to 1 */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** `0.08`, `1e-8`, `1,200`: six digits at most. */
export function formatNumber(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return `${Number(value.toPrecision(6))}`
  return value.toLocaleString('en', { maximumSignificantDigits: 6 })
}

/** `12.5 %`: as many digits as it has. @param share 0 to 1 */
export function formatPercent(share: number): string {
  return `${formatNumber(100 * share)} %`
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }

/** `10Gbit/s`, `1.25 GB/s`, or bytes per second without a unit. @returns bytes per second; undefined for any other text */
export function parseBandwidth(text: string): number | undefined {
  const [, value, prefix, unit] = /^(\d+(?:\.\d+)?(?:e\d+)?) ?(?:([kMGT]?)(bit|B)\/s)?$/.exec(text.trim()) ?? []
  if (value === undefined) return undefined
  return (Number(value) * UNITS[prefix ?? '']!) / (unit === 'bit' ? 8 : 1)
}

/** `10 Gbit/s`: decimal units. @param bytesPerSecond at least 0 */
export function formatBandwidth(bytesPerSecond: number): string {
  const bits = 8 * bytesPerSecond
  const [prefix, size] = Object.entries(UNITS).findLast(([, least]) => bits >= least) ?? ['', 1]
  return `${formatNumber(bits / size)} ${prefix}bit/s`
}
