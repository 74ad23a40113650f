/** Networks and recipes that had another name in an earlier version: configurations of that time have it. */
const FORMER_NAMES = { seed: 'wide8' } as const

export const FORMER_NETWORK_NAMES = Object.keys(FORMER_NAMES) as (keyof typeof FORMER_NAMES)[]

/** The name of a network or recipe now. */
export function currentName(name: string): string {
  return isFormerName(name) ? FORMER_NAMES[name as keyof typeof FORMER_NAMES] : name
}

export function isFormerName(name: string): boolean {
  return Object.hasOwn(FORMER_NAMES, name)
}
