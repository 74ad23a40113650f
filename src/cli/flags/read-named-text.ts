import { open } from 'node:fs/promises'
import { cannotBeRead, isMissing } from '../../shared/path-access.js'
import { ConvoyError } from '../../shared/errors.js'
import { MAX_CONFIG_BYTES, tooLarge } from '../../shared/read-file.js'
import { patiently } from '../patiently.js'

/**
 * Reads a file of settings that the user named, which may be a pipe such as that of `--config <(…)`. Prints a message while it waits for
 * the writer of a pipe.
 * @throws ConvoyError('usage') when it cannot be read, or has more than {@link MAX_CONFIG_BYTES}
 */
export async function readNamedText(file: string): Promise<string> {
  try {
    const waiting = `Waiting for ${file}: its writer has not closed it. Press Ctrl-C to cancel.`
    const bytes = await patiently(waiting, readToEnd(file))
    if (bytes.length > MAX_CONFIG_BYTES) throw tooLarge(file, MAX_CONFIG_BYTES, 'usage')
    return bytes.toString()
  } catch (error) {
    if (isMissing(error)) throw new ConvoyError('usage', `${file}: there is no such file.`)
    throw cannotBeRead(file, error)
  }
}

/** Reads one byte more than allowed, which shows that the file is too large. */
async function readToEnd(file: string): Promise<Buffer> {
  const handle = await open(file)
  const blocks: Buffer[] = []
  // `end` is inclusive. The end of the stream closes the file.
  for await (const block of handle.createReadStream({ end: MAX_CONFIG_BYTES })) blocks.push(block as Buffer)
  return Buffer.concat(blocks)
}
