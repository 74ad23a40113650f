import path from 'node:path'
import { Command } from 'commander'
import writeFileAtomic from 'write-file-atomic'
import { readStory } from '../coordinator/reporting/read-story.js'
import { reportPage } from '../dashboard/page-files.js'
import { ConvoyError } from '../shared/errors.js'

export function reportCommand(): Command {
  return new Command('report')
    .description('Write the page of a run as one HTML file that needs nothing else')
    .argument('<run>', 'run directory')
    .option('--out <file>', 'where to (default: report.html in the run directory)')
    .option('--json', 'for machines')
    .action(async (run: string, { out, json }: { out?: string; json?: true }) => {
      const file = await writeReport(run, out)
      process.stdout.write(json ? `${JSON.stringify({ file })}\n` : `${file}\n`)
    })
}

/** @returns the file @throws ConvoyError('usage') when it is no run directory or the file cannot be written */
export async function writeReport(run: string, out = path.join(run, 'report.html')): Promise<string> {
  const html = reportPage(readStory(run))
  try {
    await writeFileAtomic(out, html)
  } catch (error) {
    throw new ConvoyError('usage', `--out ${out}: ${(error as Error).message}`, { cause: error })
  }
  return path.resolve(out)
}
