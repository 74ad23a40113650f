/** A plausible fault in the code. */
export interface Mutation {
  readonly name: string
  /** Path below dist/src. */
  readonly file: string
  /** Occurs once in the compiled file. */
  readonly find: string
  readonly replace: string
}

/** A fault in a number that one of these test files must catch. */
export interface NumberMutation extends Mutation {
  /**
   * Names in dist/test without `.test.js`, or `name / pattern` for the cases with matching titles. They run in this order until
   * one fails.
   */
  readonly tests: readonly string[]
  /** Whether the fault makes the tests hang, so that their time limit catches it. */
  readonly isCaughtByLimit?: boolean
}

/** @returns the code with the fault in it @throws Error naming the mutation when its text does not occur exactly once */
export function withMutation(code: string, { name, file, find, replace }: Mutation): string {
  const count = code.split(find).length - 1
  if (count !== 1) throw new Error(`${name}: dist/src/${file} must have this once, and has it ${count} times: ${find}`)
  return code.replace(find, () => replace)
}
