import type { EvaluationResult } from '../training/run-events.js'
import type { TrainingOutcome } from '../training/trainer.js'
import type { TrainingState } from '../training/training-state.js'
import { referenceEvaluation, referenceHashes } from './reference-run.js'
import type { TinyProblem } from './tiny-problem.js'
import { hashOfWeights } from './tiny-problem.js'

/** Compares a run with the one without faults. Each method returns what differs. */
export class ReferenceChecks {
  readonly #problem: TinyProblem
  /** Of the weights after each step. */
  readonly #hashes: readonly string[]

  private constructor(problem: TinyProblem, hashes: readonly string[]) {
    this.#problem = problem
    this.#hashes = hashes
  }

  static async of(problem: TinyProblem, shards: number, steps: number): Promise<ReferenceChecks> {
    return new ReferenceChecks(
      problem,
      await referenceHashes(shards, steps, problem.description.config.wire ?? 'float32'),
    )
  }

  weights(step: number, weights: Float32Array): string | undefined {
    if (hashOfWeights(weights) === this.#hashes[step]) return undefined
    return `the weights after step ${step} are not those of the run without faults`
  }

  /** What a coordinator read from the disk. */
  state({ step, weights, best, last }: TrainingState): string | undefined {
    const wrong = [{ step, weights }, best, last].find((part) => part && this.weights(part.step, part.weights))
    return wrong && `the disk has wrong weights of step ${wrong.step}`
  }

  async evaluation(
    { split, step, confusion, loss, samples }: EvaluationResult,
    weights: Float32Array,
  ): Promise<string | undefined> {
    const wrong = this.weights(step, weights)
    if (wrong !== undefined) return wrong
    const expected = await referenceEvaluation(this.#problem, split, weights)
    if ([...confusion.flat(), loss * samples].every((value, index) => Math.fround(value) === expected[index]))
      return undefined
    return `the evaluation of the ${split} split after step ${step} is not that of the run without faults`
  }

  /** @param lastStep that was reported */
  outcome({ result }: TrainingOutcome, steps: number, lastStep: number): string | undefined {
    if (result.steps !== steps) return `the result has ${result.steps} of ${steps}`
    if (lastStep !== steps) return `step ${lastStep} was the last one reported, and the result has ${steps}`
    return result.weightsSha256.startsWith(this.#hashes[steps]!) ? undefined : 'the result names other weights'
  }
}
