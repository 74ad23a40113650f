import { open } from 'node:fs/promises'
import { cannotBeRead, isMissing } from '../../shared/path-access.js'
import { ConvoyError } from '../../shared/errors.js'
import { MAX_CONFIG_BYTES, tooLarge } from '../../shared/read-file.js'
import { standardError } from '../../shared/terminal.js'

/** After this time the command prints what it waits for. */
const QUIET_MS = 1_000

/**
 * Reads a file of settings that the user named, which may be a pipe such as that of `--config <(…)`. Prints a message while it waits for
 * the writer of a pipe.
 * @throws ConvoyError('usage') when it cannot be read, or has more than {@link MAX_CONFIG_BYTES}
 */
export async function readNamedText(file: string): Promise<string> {
  const timer = setTimeout(() => {
    standardError.printLine(`Waiting for ${file}: its writer has not closed it. Press Ctrl-C to cancel.`)
  }, QUIET_MS)
  try {
    const handle = await open(file)
    const blocks: Buffer[] = []
    // `end` is inclusive: one byte more than allowed shows that the file is too large. The end of the stream closes the file.
    for await (const block of handle.createReadStream({ end: MAX_CONFIG_BYTES })) blocks.push(block as Buffer)
    const bytes = Buffer.concat(blocks)
    if (bytes.length > MAX_CONFIG_BYTES) throw tooLarge(file, MAX_CONFIG_BYTES, 'usage')
    return bytes.toString()
  } catch (error) {
    if (isMissing(error)) throw new ConvoyError('usage', `${file}: there is no such file.`)
    throw cannotBeRead(file, error)
  } finally {
    clearTimeout(timer)
  }
}
