import { z } from 'zod'
import { METRICS_LINES } from '../src/reporting/sinks/metrics-line.js'
import type { JsonSchema } from '../src/shared/json-schema.js'
import { typeOf } from './type-of-schema.js'

/** Fields of every line, documented once. */
const EVERYWHERE = ['time', 'kind']

/** docs/reference/metrics-jsonl.md: every kind of line with its fields. */
export function metricsFilePage(): string {
  const kinds = METRICS_LINES.map((line) => {
    const { description, properties = {} } = z.toJSONSchema(line, { io: 'input' }) as JsonSchema
    const fields = Object.entries(properties).filter(([name]) => !EVERYWHERE.includes(name))
    const rows = fields.flatMap(([name, field]) => rowsOf(name, field))
    const table = ['| field | type | meaning |', '| --- | --- | --- |', ...rows]
    return [`## ${properties['kind']!.const!}`, description!, ...(rows.length > 0 ? [table.join('\n')] : [])].join(
      '\n\n',
    )
  })
  return `# metrics.jsonl

<!-- Generated from src/reporting/sinks/metrics-line.ts by \`npm run generate\`: change it there. -->

A run appends one JSON object a line to \`runs/<run>/metrics.jsonl\` as things happen. Every line has \`time\` (seconds since 1970, UTC) and
\`kind\`, which decides what else it has; there are no other fields. A process that is killed may leave a last line without its end. While a
disk is full, lines wait in memory: the run logs that once, continues, and writes them when there is room. Beyond 64 MiB, and at the end of
the run, they are lost and counted (\`convoy_report_records_lost_total\`). The file never has a part of a line before another one.

    jq -r 'select(.kind == "step") | [.step, .loss, .accuracy] | @tsv' runs/<run>/metrics.jsonl

${kinds.join('\n\n')}
`
}

/** A row for a field, and one for each field of an object. */
function rowsOf(name: string, field: JsonSchema): string[] {
  const inner = Object.entries(field.properties ?? {}).flatMap(([part, schema]) => rowsOf(`${name}.${part}`, schema))
  return [`| \`${name}\` | ${typeOf(field)} | ${field.description ?? ''} |`, ...inner]
}
