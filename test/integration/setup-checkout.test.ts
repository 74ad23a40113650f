import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../src/shared/package-root.js'
import { inPidNamespace, whyNoPidNamespace } from '../faults/chaos/pid-namespace.js'

const SETUP = path.join(packageRoot, 'scripts', 'setup.mjs')

/** A checkout of two source files, one of them for the browser. Its only package is the TypeScript installed here, so that no network is needed. */
function makeCheckout(): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'convoy-setup-'))
  after(() => {
    rmSync(root, { recursive: true, force: true })
  })
  for (const directory of ['scripts', 'src/reporting/page/browser'])
    mkdirSync(path.join(root, directory), { recursive: true })
  copyFileSync(SETUP, path.join(root, 'scripts', 'setup.mjs'))
  const typescript = path.relative(root, path.join(packageRoot, 'node_modules', 'typescript'))
  const manifest = { name: 'small', version: '1.0.0', dependencies: { typescript: `file:${typescript}` } }
  writeFileSync(path.join(root, 'package.json'), JSON.stringify(manifest))
  writeFileSync(path.join(root, 'tsconfig.base.json'), '{}')
  const project = (directory: string, exclude: string[]): void => {
    const outDir = path.relative(path.join(root, directory), path.join(root, 'dist', directory))
    const compilerOptions = { composite: true, rootDir: '.', outDir, module: 'nodenext', types: [] }
    const text = JSON.stringify({ compilerOptions, include: ['.'], exclude })
    writeFileSync(path.join(root, directory, 'tsconfig.json'), text)
    writeFileSync(path.join(root, directory, 'answer.ts'), 'export const answer: number = 42\n')
  }
  project('src', ['reporting/page/browser'])
  project('src/reporting/page/browser', [])
  const lock = spawnSync('npm', ['install', '--package-lock-only', '--offline', '--ignore-scripts'], { cwd: root })
  assert.equal(lock.status, 0, lock.stderr.toString())
  return root
}

/** Runs the set-up of packages and build. @param onLine called for each line of output */
async function setUp(
  root: string,
  environment: NodeJS.ProcessEnv = {},
  onLine: () => void = () => undefined,
): Promise<{ status: number; lines: string[] }> {
  const url = pathToFileURL(path.join(root, 'scripts', 'setup.mjs')).href
  const program =
    `import(${JSON.stringify(url)}).then(({ ensureSetup }) => ensureSetup({ runtime: false }))` +
    '.catch((error) => { console.error(error.message); process.exitCode = 1 })'
  const child = spawn(process.execPath, ['-e', program], { env: { ...process.env, ...environment } })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text: Buffer) => {
      output += text.toString()
      onLine()
    })
  const status = await new Promise<number>((resolve) =>
    child.once('close', (code) => {
      resolve(code ?? 128)
    }),
  )
  return { status, lines: output.split('\n').filter(Boolean) }
}

const PACKAGES = [/^Set-up: packages …$/, /^Set-up: packages ready after [\d.]+ s$/]
const BUILD = [/^Set-up: build …$/, /^Set-up: build ready after [\d.]+ s$/]

function assertLines(lines: string[], expected: RegExp[]): void {
  assert.equal(lines.length, expected.length, lines.join('\n'))
  for (const [index, pattern] of expected.entries()) assert.match(lines[index]!, pattern)
}

describe('the set-up of a checkout', () => {
  it('rejects a Node version that the packages or the test tools do not support, in one sentence', async () => {
    const { nodeProblem } = (await import(pathToFileURL(SETUP).href)) as {
      nodeProblem: (version: string, development?: boolean) => string | undefined
    }
    for (const version of ['16.20.2', '20.16.0', '21.7.3', '22.8.0', '25.0.0'])
      assert.equal(
        nodeProblem(version),
        `Convoy runs on Node 20.17+, 22.9+, 23 or 24, and this is ${version}: install Node 24.`,
      )
    for (const version of ['20.17.0', '22.9.0', '23.5.0', '24.9.1']) assert.equal(nodeProblem(version), undefined)
    for (const version of ['20.18.3', '22.12.0', '23.5.0'])
      assert.match(nodeProblem(version, true)!, /^Convoy's tests run on Node 20\.19\+, 22\.13\+ or 24, /)
    for (const version of ['20.19.0', '22.13.0', '24.0.0']) assert.equal(nodeProblem(version, true), undefined)
  })

  it('completes the set-up, then does nothing, and rebuilds after a change', async () => {
    const root = makeCheckout()
    const first = await setUp(root)
    assertLines(first.lines, [...PACKAGES, ...BUILD])
    assert.ok(existsSync(path.join(root, 'dist', 'src', 'answer.js')))
    assertLines((await setUp(root)).lines, [])
    writeFileSync(path.join(root, 'src', 'answer.ts'), 'export const answer: number = 4242\n')
    assertLines((await setUp(root)).lines, BUILD)
    rmSync(path.join(root, 'node_modules'), { recursive: true })
    assertLines((await setUp(root)).lines, PACKAGES)
  })

  it('names the line that does not compile, and tries again at the next call', async () => {
    const root = makeCheckout()
    writeFileSync(path.join(root, 'src', 'answer.ts'), "export const answer: number = 'many'\n")
    for (const lines of [[...PACKAGES, BUILD[0]!], [BUILD[0]!]]) {
      const failed = await setUp(root)
      assert.equal(failed.status, 1)
      assertLines(failed.lines.slice(0, lines.length), lines)
      assert.match(failed.lines.slice(lines.length).join('\n'), /^The sources do not compile:\n.*answer\.ts\(1,14\)/)
    }
  })

  it('runs once when started twice: the second waits, and finds everything done', async () => {
    const root = makeCheckout()
    const both = await Promise.all([setUp(root), setUp(root)])
    assert.deepEqual(
      both.map(({ status }) => status),
      [0, 0],
    )
    const lines = both.flatMap((one) => one.lines).filter((line) => line.includes('ready after'))
    assert.equal(lines.length, 2, lines.join('\n'))
  })

  it('is not blocked by a killed set-up', async () => {
    const root = makeCheckout()
    mkdirSync(path.join(root, 'dist'))
    const dead = spawnSync(process.execPath, ['-e', '']).pid
    writeFileSync(path.join(root, 'dist', '.convoy-setup'), String(dead))
    assert.equal((await setUp(root)).status, 0)
  })

  it('fault 66: waits for a set-up in another PID namespace', { skip: whyNoPidNamespace() }, async () => {
    const root = makeCheckout()
    const lock = path.join(root, 'dist', '.convoy-setup')
    mkdirSync(path.dirname(lock))
    // A process id that is unused here.
    writeFileSync(lock, String(spawnSync(process.execPath, ['-e', '']).pid))
    const [program, ...args] = inPidNamespace('flock', '-x', lock, 'sh', '-c', 'echo locked; cat')
    const other = spawn(program!, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(other.stdout, 'data')
    const { status, lines } = await setUp(root, {}, () => other.stdin.end())
    assert.equal(status, 0, lines.join('\n'))
    assert.match(lines[0]!, /^Set-up: waiting for the set-up of process \d+ …$/)
    assertLines(lines.slice(1), [...PACKAGES, ...BUILD])
  })

  it('reports that npm is missing', async () => {
    const root = makeCheckout()
    const failed = await setUp(root, { PATH: path.join(root, 'src') })
    assert.equal(failed.status, 1)
    assert.match(failed.lines.at(-1)!, /^npm is missing: install Node with npm/)
  })
})

describe('a command for developers in a checkout that only ran npm start', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const TOOLS = ['prettier', 'eslint', 'depcruise', 'knip']

  /** Like makeCheckout, with this repository's scripts and a development package of tools, and of types that the tests import. */
  function makePlainCheckout(): string {
    const root = makeCheckout()
    const tools = path.join(root, 'tools')
    mkdirSync(tools)
    const bin = Object.fromEntries(TOOLS.map((tool) => [tool, 'tool.mjs']))
    writeFileSync(
      path.join(tools, 'package.json'),
      JSON.stringify({ name: 'tools', version: '1.0.0', type: 'module', types: 'index.d.ts', bin }),
    )
    writeFileSync(path.join(tools, 'tool.mjs'), "#!/usr/bin/env node\nprocess.stdout.write('the tool ran\\n')\n")
    chmodSync(path.join(tools, 'tool.mjs'), 0o755)
    writeFileSync(path.join(tools, 'index.d.ts'), 'export type Count = number\n')
    const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Record<string, unknown>
    const withScripts = { ...manifest, type: 'module', scripts, devDependencies: { tools: 'file:tools' } }
    writeFileSync(path.join(root, 'package.json'), JSON.stringify(withScripts))
    for (const [project, program] of [
      ['generators', 'main.ts'],
      ['test', 'faults/chaos/main.ts'],
    ] as const) {
      mkdirSync(path.dirname(path.join(root, project, program)), { recursive: true })
      writeFileSync(
        path.join(root, project, program),
        "import type { Count } from 'tools'\nconst one: Count = 1\nconsole.log(`program ${one}`)\n",
      )
      const compilerOptions = {
        ...{ composite: true, rootDir: '.', outDir: `../dist/${project}`, module: 'nodenext' },
        ...{ lib: ['es2023', 'dom'], types: [] },
      }
      const config = { compilerOptions, include: ['.'] }
      writeFileSync(path.join(root, project, 'tsconfig.json'), JSON.stringify(config))
    }
    const references = ['src', 'src/reporting/page/browser', 'generators', 'test'].map((path) => ({ path }))
    writeFileSync(path.join(root, 'tsconfig.json'), JSON.stringify({ files: [], references }))
    const lock = spawnSync('npm', ['install', '--package-lock-only', '--offline', '--ignore-scripts'], { cwd: root })
    assert.equal(lock.status, 0, lock.stderr.toString())
    return root
  }

  it('completes its own set-up', async () => {
    const root = makePlainCheckout()
    const plain = await setUp(root)
    assert.equal(plain.status, 0, plain.lines.join('\n'))
    assert.equal(existsSync(path.join(root, 'node_modules', 'tools')), false)
    for (const [command, output] of [
      ['chaos', 'program 1\n'],
      ['lint', 'the tool ran\n'],
    ] as const) {
      const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', command], { cwd: root, encoding: 'utf8' })
      assert.equal(status, 0, `${command}: ${stdout}${stderr}`)
      assert.equal(stdout, output, command)
      // Restores the state after npm start.
      rmSync(path.join(root, 'node_modules'), { recursive: true })
      assert.equal((await setUp(root)).status, 0)
    }
  })

  it('begins with the set-up, directly or through another command, for each script of package.json', () => {
    for (const [name, script] of Object.entries(scripts)) {
      // `start` does its own set-up; `check` is the body of `test`.
      if (name === 'start' || name === 'check') continue
      assert.match(script, /^(node scripts\/setup\.mjs --|npm run --silent build && )/, name)
      const [, first] = /^npm run --silent (\S+)/.exec(script) ?? []
      if (first !== undefined) assert.match(scripts[first]!, /^node scripts\/setup\.mjs --/, name)
    }
  })
})
