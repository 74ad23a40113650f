const LONGEST = 200
/** Controls, formats such as those that turn the direction of writing, halves of characters, line separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** Why this cannot be a worker's name, with the remedy; undefined: it can. */
export function nameFault(name: string): string | undefined {
  if (name.trim() === '' || name.length > LONGEST)
    return `a worker's name has 1 to ${LONGEST} characters; choose another.`
  if (UNPRINTABLE.test(name))
    return `a worker's name has only characters that can be seen; choose one without ${shown(name)}.`
  return undefined
}

function shown(name: string): string {
  const code = UNPRINTABLE.exec(name)![0].codePointAt(0)!
  return `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
}
