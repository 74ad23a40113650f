import type { Copy, From } from 'dockerfile-ast'
import { DockerfileParser } from 'dockerfile-ast'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { packageRoot } from '../../../src/shared/package-root.js'

export interface CopyStep {
  /** Name of a stage; absent for the context. */
  readonly from?: string
  readonly sources: readonly string[]
  readonly target: string
}

export interface Stage {
  /** Empty for the last stage. */
  readonly name: string
  readonly base: string
  readonly copies: CopyStep[]
  /** Shell commands, with continued lines joined. */
  readonly runs: string[]
  /** The other instructions: keyword and value. */
  readonly settings: { readonly keyword: string; readonly text: string }[]
}

/** The stages of the repository's Dockerfile, in order. */
export function readDockerfile(): Stage[] {
  const parsed = DockerfileParser.parse(readFileSync(path.join(packageRoot, 'Dockerfile'), 'utf8'))
  const stages: Stage[] = []
  for (const instruction of parsed.getInstructions()) {
    const keyword = instruction.getKeyword()
    const text = instruction.getArgumentsContent() ?? ''
    if (keyword === 'FROM') {
      const from = instruction as From
      stages.push({ name: from.getBuildStage() ?? '', base: from.getImage()!, copies: [], runs: [], settings: [] })
    } else if (keyword === 'COPY') stages.at(-1)!.copies.push(copyStep(instruction as Copy))
    else if (keyword === 'RUN') stages.at(-1)!.runs.push(text)
    else stages.at(-1)!.settings.push({ keyword, text })
  }
  return stages
}

function copyStep(copy: Copy): CopyStep {
  const paths = copy.getArguments().map((argument) => argument.getValue())
  const from = copy.getFlags().find((flag) => flag.getName() === 'from')
  return { ...(from && { from: from.getValue()! }), sources: paths.slice(0, -1), target: paths.at(-1)! }
}

/** The words of the last stage's CMD, ENTRYPOINT or HEALTHCHECK. */
export function wordsOf(keyword: string): string[] {
  const { text } = readDockerfile()
    .at(-1)!
    .settings.find((setting) => setting.keyword === keyword)!
  return JSON.parse(text.slice(text.indexOf('['))) as string[]
}
