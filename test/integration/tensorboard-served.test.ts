import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pythonEnvironment } from '../../src/bench/python-environment.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
const logs = mkdtempSync(path.join(os.tmpdir(), 'convoy-tensorboard-runs-'))
const requirements = path.join(packageRoot, 'test', 'integration', 'tensorboard', 'requirements.txt')
const python = await pythonEnvironment('test', requirements, () => undefined).catch(() => undefined)

interface Session {
  readonly name: string
  readonly hparams: Readonly<Record<string, unknown>>
  readonly sessions: readonly { readonly status: string }[]
}
interface Experiment {
  readonly hparamInfos: readonly { readonly name: string; readonly differs: boolean }[]
  readonly metricInfos: readonly { readonly name: { readonly group: string; readonly tag: string } }[]
}
type TagsByRun<Tag> = Readonly<Record<string, Readonly<Record<string, Tag>>>>

describe(
  'the pages of TensorBoard for two runs',
  { skip: python === undefined && 'TensorBoard cannot be installed' },
  () => {
    let server: ReturnType<typeof spawn>
    let url = ''
    /** Base names of the run directories. */
    let first = ''
    let second = ''
    const get = async <Answer>(what: string, parameters: Record<string, string> = {}): Promise<Answer> =>
      (await (await fetch(`${url}/data/${what}?${new URLSearchParams(parameters).toString()}`)).json()) as Answer
    const post = async <Answer>(what: string, body: object): Promise<Answer> => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${url}/data/plugin/hparams/${what}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      assert.equal(response.status, 200, await response.clone().text())
      return (await response.json()) as Answer
    }

    before(async () => {
      const run = async (...settings: string[]): Promise<string> => {
        const data = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '2', '--standalone', '--json']
        const launch = new Launch(['train', ...data, ...settings], tiny.environment, true)
        // An open page triggers the inspection with mistakes at the end.
        const viewer = await fetch(new URL('/events', (await launch.announcement()).metrics))
        await launch.result()
        await viewer.body?.cancel().catch(() => undefined)
        const [name] = readdirSync(launch.runsDirectory)
        cpSync(path.join(launch.runsDirectory, name!), path.join(logs, name!), { recursive: true })
        launch.remove()
        return name!
      }
      first = await run('--name', 'first')
      second = await run('--name', 'second', '--seed', '7', '--set', 'optimizer.kind=adamw')
      const flags = ['--logdir', logs, '--host', '127.0.0.1', '--port', '0']
      server = spawn(python!, ['-m', 'tensorboard.main', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] })
      let output = ''
      server.stderr!.on('data', (text: Buffer) => {
        output += text.toString()
        url = /at (http:\/\/\S+?)\/? /.exec(output)?.[1] ?? ''
      })
      await until('TensorBoard', () => {
        assert.equal(server.exitCode, null, output)
        return url !== ''
      })
      await until('the files of both', async () => {
        const scalars = await get<TagsByRun<object>>('plugin/scalars/tags')
        const mistakes = await get<TagsByRun<object>>('plugin/images/tags')
        const count = (tags: TagsByRun<object>, wanted: string): number =>
          Object.entries(tags).filter(
            ([run, tag]) => run.includes('tensorboard') && JSON.stringify(tag).includes(wanted),
          ).length
        return count(scalars, 'loss') >= 2 && count(mistakes, 'mistakes') >= 2
      })
    })
    after(async () => {
      server.kill('SIGKILL')
      await once(server, 'close')
      killLaunches()
      tiny.remove()
      rmSync(logs, { recursive: true, force: true })
    })

    it('show loss and accuracy in one chart each: one tag, and a line for each split of each run', async () => {
      const tags = await get<TagsByRun<{ description: string }>>('plugin/scalars/tags')
      for (const run of [first, second]) {
        for (const tag of ['loss', 'accuracy']) {
          const lines = Object.keys(tags).filter((name) => name.startsWith(run) && tag in tags[name]!)
          assert.deepEqual(
            lines.sort(),
            ['test', 'train', 'validation'].map((split) => `${run}/tensorboard/${split}`),
            tag,
          )
        }
      }
      assert.match(tags[`${first}/tensorboard/test`]!['accuracy']!.description, /best weights/)
    })

    it('show both runs in one table of hyperparameters, also when their hyperparameters differ', async () => {
      const { hparamInfos, metricInfos } = await post<Experiment>('experiment', {
        experimentName: '',
        includeMetrics: true,
      })
      const names = hparamInfos.map(({ name }) => name)
      for (const name of [
        'seed',
        'network.name',
        'batchSize',
        'schedule.peak',
        'optimizer.momentum',
        'optimizer.weightDecay',
      ])
        assert.ok(names.includes(name), name)
      assert.ok(hparamInfos.find(({ name }) => name === 'seed')!.differs)
      for (const group of ['train', 'validation', 'test'])
        assert.ok(
          metricInfos.some(({ name }) => name.tag === 'accuracy' && name.group === group),
          group,
        )
      const { sessionGroups } = await post<{ sessionGroups: Session[] }>('session_groups', {
        ...{ experimentName: '', startIndex: 0, sliceSize: 10, colParams: [] },
        allowedStatuses: ['STATUS_SUCCESS', 'STATUS_FAILURE', 'STATUS_UNKNOWN', 'STATUS_RUNNING'],
      })
      assert.deepEqual(
        sessionGroups.map(({ name, hparams, sessions }) => [name, hparams['seed'], sessions[0]!.status]).sort(),
        [
          [first, 1, 'STATUS_SUCCESS'],
          [second, 7, 'STATUS_SUCCESS'],
        ],
      )
    })

    it('show the configuration of each run as a table of text', async () => {
      const tags = await get<Record<string, string[]>>('plugin/text/tags')
      assert.ok(tags[`${second}/tensorboard`]?.includes('settings'), JSON.stringify(tags))
      const [{ text }] = await get<[{ text: string }]>('plugin/text/text', {
        run: `${second}/tensorboard`,
        tag: 'settings',
      })
      assert.match(text, /<td>optimizer\.kind<\/td>\s*<td>adamw<\/td>/)
      assert.match(text, /<td>data set<\/td>\s*<td>tiny<\/td>/)
      assert.equal(text.match(/<table>/g)!.length, 1, text)
    })

    it('show the images of mistakes under one tag, at the step of the weights', async () => {
      const tags = await get<TagsByRun<{ samples: number }>>('plugin/images/tags')
      for (const run of [first, second]) {
        const ofRun = Object.keys(tags).filter((name) => name.startsWith(run))
        const about = ofRun.flatMap((name) => Object.keys(tags[name]!).filter((tag) => tag.startsWith('mistakes')))
        assert.deepEqual(about, ['mistakes'])
        const split = `${run}/tensorboard/test`
        const { samples } = tags[split]!['mistakes']!
        assert.ok(samples > 1)
        const scalars = await get<[number, number, number][]>('plugin/scalars/scalars', { run: split, tag: 'accuracy' })
        for (const sample of ['0', `${samples - 1}`]) {
          const images = await get<{ step: number; query: string }[]>('plugin/images/images', {
            run: split,
            tag: 'mistakes',
            sample,
          })
          assert.deepEqual(
            images.map(({ step }) => step),
            scalars.map(([, step]) => step),
          )
          const image = await fetch(`${url}/data/plugin/images/individualImage?${images[0]!.query}`)
          assert.equal(image.headers.get('content-type'), 'image/png')
        }
      }
    })
  },
)
