import js from '@eslint/js'
import tseslint from 'typescript-eslint'

/** V8 does not promise their last bit; what touches numbers uses src/shared/trigonometry.ts, Philox, or TensorFlow. */
const INEXACT = ['sin', 'cos', 'tan', 'tanh', 'exp', 'expm1', 'log', 'log1p', 'log2', 'log10', 'pow', 'cbrt', 'hypot']
const inexact = INEXACT.map((property) => ({
  object: 'Math',
  property,
  message: 'Its last bit may differ between versions of V8: the same weights everywhere forbid it here.',
}))
const random = { object: 'Math', property: 'random', message: 'Randomness is keyed: src/shared/philox.ts.' }
/** Names that others chose hold escape sequences: src/shared/terminal.ts shows them, and moves no cursor. */
const streams = ['stdout', 'stderr'].map((property) => ({
  object: 'process',
  property,
  message: 'Write through standardOutput or standardError of src/shared/terminal.ts (in scripts: report of setup.mjs).',
}))
/** The same by other names. */
const otherWaysOut = [
  {
    selector: 'ImportDeclaration[source.value=/^(node:)?(process|console|tty)$/]',
    message: 'Standard output and standard error are written through src/shared/terminal.ts.',
  },
  {
    selector: 'CallExpression[callee.name=/^writev?(Sync)?$/]:matches([arguments.0.value=1], [arguments.0.value=2])',
    message: 'Standard output and standard error are written through src/shared/terminal.ts.',
  },
]

/** `${n} workers` says "1 workers". */
const bareCount = {
  selector: 'TemplateElement[value.raw=/^ (workers|shards|steps|samples(?!.s)|epochs|rounds|lines|threads)\\b/]',
  message: "A count may be one: counted(n, 'worker') of src/shared/units.ts.",
}

export default tseslint.config(
  { ignores: ['coverage/', 'dist/', 'node_modules/', 'runs/'] },
  js.configs.recommended,
  {
    files: ['**/*.mjs', '**/*.js'],
    languageOptions: {
      globals: {
        process: 'readonly',
        performance: 'readonly',
        console: 'readonly',
        URL: 'readonly',
        Buffer: 'readonly',
        setTimeout: 'readonly',
      },
    },
    rules: { 'no-console': 'error', 'no-restricted-properties': ['error', ...streams] },
  },
  {
    // Programs as a user writes them.
    files: ['examples/**/*.mjs'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['src/**/*.ts', 'generators/**/*.ts', 'test/**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      // Indices of typed arrays that a loop has just bounded: a check would cost time and say nothing.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Casts of tensors name their rank for the reader, where tfjs's types would take any.
      '@typescript-eslint/no-unnecessary-type-assertion': 'off',
      // Narrowing outlives an await (`signal.aborted`), and types do not vouch for what comes over a wire.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // winston's transports are declared twice, by the stream they extend and by winston.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-properties': ['error', random],
    },
  },
  {
    files: ['src/**/*.ts', 'generators/**/*.ts'],
    rules: {
      'no-restricted-properties': ['error', random, ...streams],
      'no-restricted-syntax': ['error', ...otherWaysOut, bareCount],
    },
  },
  {
    files: ['src/{shared,model,data,training,scheduler,coordinator,worker,tensorflow}/**/*.ts'],
    rules: { 'no-restricted-properties': ['error', random, ...streams, ...inexact] },
  },
  {
    // A function is read on one screen.
    files: ['src/**/*.ts'],
    rules: { 'max-lines-per-function': ['error', { max: 60 }] },
  },
  {
    files: [
      // One graph, from its inputs to its outputs.
      'src/tensorflow/capture/capture.ts',
      'src/tensorflow/engine/create-engine.ts',
      // One pass over a tree or over files, with its counters.
      'src/shared/walk-directory.ts',
      'src/data/formats/decode-images.ts',
      // The whole product, as one contestant.
      'src/bench/convoy-contestant.ts',
    ],
    rules: { 'max-lines-per-function': 'off' },
  },
  {
    files: ['src/shared/terminal.ts'],
    rules: { 'no-restricted-properties': ['error', random, ...inexact] },
  },
  {
    // It copies the native binding, whose functions need no `this`.
    files: ['src/tensorflow/capture/capture.ts'],
    rules: { '@typescript-eslint/unbound-method': 'off' },
  },
  {
    files: ['test/**/*.ts'],
    // node:test's describe() and it() return promises that its runner awaits.
    rules: {
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['describe', 'it', 'test', 'suite'] },
          ],
        },
      ],
    },
  },
)
