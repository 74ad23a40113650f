/** A fault that somebody could make. */
export interface Mutation {
  readonly name: string
  /** Below dist/src. */
  readonly file: string
  /** Occurs once in the compiled file. */
  readonly find: string
  readonly replace: string
}

/** A fault in a number, which one of these test files has to find. */
export interface NumberMutation extends Mutation {
  /**
   * Names in dist/test without `.test.js`, or `name / pattern` for those of its cases whose names match it. They run in this order; the
   * first that fails ends it.
   */
  readonly tests: readonly string[]
  /** The fault makes the tests wait for ever: their limit catches it. */
  readonly isCaughtByLimit?: boolean
}

/** @returns the code with the fault in it @throws Error naming the mutation when its text is not there exactly once */
export function withMutation(code: string, { name, file, find, replace }: Mutation): string {
  const count = code.split(find).length - 1
  if (count !== 1) throw new Error(`${name}: dist/src/${file} must have this once, and has it ${count} times: ${find}`)
  return code.replace(find, () => replace)
}
