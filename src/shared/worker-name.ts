const LONGEST = 200
/** Controls, formats such as changes of the writing direction, lone surrogates, line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** The problem of a worker's name, with the remedy; undefined for a valid name. */
export function nameFault(name: string): string | undefined {
  if (name.trim() === '' || name.length > LONGEST)
    return `a worker's name has 1 to ${LONGEST} characters; choose another.`
  if (UNPRINTABLE.test(name))
    return `a worker's name may contain only visible characters; choose one without ${shown(name)}.`
  return undefined
}

function shown(name: string): string {
  const code = UNPRINTABLE.exec(name)![0].codePointAt(0)!
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
