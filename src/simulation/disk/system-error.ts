const MESSAGES = {
  EIO: 'i/o error',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTEMPTY: 'directory not empty',
} as const

/** The error of a system call, as Node throws it. */
export function systemError(code: keyof typeof MESSAGES, syscall: string, name?: string): Error {
  const message = `${code}: ${MESSAGES[code]}, ${syscall}${name === undefined ? '' : ` '${name}'`}`
  return Object.assign(new Error(message), { code, syscall })
}
