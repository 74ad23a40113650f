import { open } from 'node:fs/promises'
import { cannotBeRead, isMissing } from '../../shared/path-access.js'
import { ConvoyError } from '../../shared/errors.js'
import { MAX_CONFIG_BYTES, tooLarge } from '../../shared/read-file.js'
import { standardError } from '../../shared/terminal.js'

/** A user who waits longer wonders why. */
const QUIET_MS = 1_000

/**
 * Reads a file of settings that the user named: also a pipe, such as that of `--config <(…)`. While it has to wait for the other end,
 * it says so.
 * @throws ConvoyError('usage') when it cannot be read, or has more than {@link MAX_CONFIG_BYTES}
 */
export async function readNamedText(file: string): Promise<string> {
  const timer = setTimeout(() => {
    standardError.notice(`Waiting for ${file}: whoever writes to it has not closed it. Ctrl-C ends this.`)
  }, QUIET_MS)
  try {
    const handle = await open(file)
    const blocks: Buffer[] = []
    // One byte more tells that there are too many. The end of the stream closes the file.
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
