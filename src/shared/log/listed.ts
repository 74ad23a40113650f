import { printable } from './printable.js'

/** `cat, dog and 3 more`: names for a message. @param max how many names are shown */
export function listed(names: readonly string[], max = 20): string {
  const shown = names.slice(0, max).map(printable).join(', ')
  const more = names.length - max
  return more > 0 ? `${shown} and ${more.toLocaleString('en')} more` : shown
}
