import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap'
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus'
import * as stat from '@grafana/grafana-foundation-sdk/stat'
import * as timeline from '@grafana/grafana-foundation-sdk/statetimeline'
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'
import type { Annotation } from './annotations.js'
import { ANNOTATIONS } from './annotations.js'
import type { Dashboard, Panel } from './panels.js'
import { heightOf, isPerRun, legendOf } from './panels.js'
import type { StateMetric } from './states.js'

const SOURCE = { type: 'prometheus', uid: '${datasource}' }
const GREEN_AT_FIRST = { value: null, color: 'green' }

// Grafana 12 and before provision only this model from files; the newer one, which the SDK prefers, does not load there.
/* eslint-disable @typescript-eslint/no-deprecated */
/** Grafana's model of a dashboard, for its provisioning. */
export function grafanaDashboard({ id, title, description, hasWorkers, rows }: Dashboard): dashboard.Dashboard {
  const made = new dashboard.DashboardBuilder(title)
    .uid(id)
    .description(description)
    .tags(['convoy'])
    .refresh('5s')
    .time({ from: 'now-15m', to: 'now' })
    .tooltip(dashboard.DashboardCursorSync.Crosshair)
    .link(new dashboard.DashboardLinkBuilder('Convoy').type(dashboard.DashboardLinkType.Dashboards).tags(['convoy']))
    .withVariable(new dashboard.DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    // The newest first: their names begin with the time.
    .withVariable(choice('run', 'Run', 'label_values(convoy_run_info, run)', dashboard.VariableSort.AlphabeticalDesc))
    .annotations(ANNOTATIONS.map(annotationQuery))
  if (hasWorkers) {
    const workers = 'label_values(convoy_worker_state{run=~"$run"}, worker)'
    made.withVariable(choice('worker', 'Worker', workers, dashboard.VariableSort.NaturalAsc))
  }
  for (const { title: row, panels } of rows) {
    made.withRow(new dashboard.RowBuilder(row))
    for (const panel of panels) made.withPanel(grafanaPanel(panel))
  }
  return made.build()
}

/* eslint-enable @typescript-eslint/no-deprecated */

function annotationQuery({ name, expr, color }: Annotation): dashboard.AnnotationQueryBuilder {
  return new dashboard.AnnotationQueryBuilder()
    .name(name)
    .datasource(SOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expr)
    .titleFormat(name)
    .textFormat('{{run}}')
    .tagKeys('run')
}

/** A variable of which all values are chosen at first. */
function choice(
  name: string,
  label: string,
  query: string,
  sort: dashboard.VariableSort,
): dashboard.QueryVariableBuilder {
  return (
    new dashboard.QueryVariableBuilder(name)
      .label(label)
      .query(query)
      .datasource(SOURCE)
      .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
      .multi(true)
      .sort(sort)
      .includeAll(true)
      // Those that begin after the dashboard was loaded, too.
      .allValue('.+')
      .current({ selected: true, text: ['All'], value: ['$__all'] })
  )
}

type PanelBuilder = timeseries.PanelBuilder | stat.PanelBuilder | timeline.PanelBuilder | heatmap.PanelBuilder

function grafanaPanel(panel: Panel): PanelBuilder {
  const { title, description, unit, width, queries, limits, states } = panel
  const made = visual(panel)
  made
    .title(isPerRun(panel) ? `${title}: $run` : title)
    .description(description)
    .unit(unit)
    .span(width)
    .height(heightOf(panel))
    .datasource(SOURCE)
  if (isPerRun(panel)) made.repeat('run').repeatDirection('v')
  if (states !== undefined) made.mappings([stateMapping(states)])
  if (limits !== undefined) {
    made.thresholds(
      new dashboard.ThresholdsConfigBuilder()
        .mode(dashboard.ThresholdsMode.Absolute)
        .steps([GREEN_AT_FIRST, { value: limits.warn, color: 'orange' }, { value: limits.bad, color: 'red' }]),
    )
  }
  for (const [index, query] of queries.entries()) {
    const target = new prometheus.DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .expr(query.expr)
      .legendFormat(legendOf(panel, query))
    if (panel.kind === 'heat') target.format(prometheus.PromQueryFormat.Heatmap)
    if (panel.kind === 'number' || panel.kind === 'label' || panel.kind === 'state') target.instant()
    made.withTarget(target)
  }
  return made
}

/** What the number of a state is called, and its colour. */
function stateMapping({ states }: StateMetric): dashboard.ValueMapping {
  const options = states.map(({ state, color }, index) => [`${index + 1}`, { text: state, color, index }])
  return {
    type: dashboard.MappingType.ValueToText,
    options: Object.fromEntries(options) as Record<string, dashboard.ValueMappingResult>,
  }
}

function visual({ kind, limits }: Panel): PanelBuilder {
  switch (kind) {
    case 'lines':
    case 'stack': {
      const chart = new timeseries.PanelBuilder()
        .lineWidth(1)
        .showPoints(common.VisibilityMode.Never)
        .legend(
          new common.VizLegendOptionsBuilder()
            .showLegend(true)
            .displayMode(common.LegendDisplayMode.List)
            .placement(common.LegendPlacement.Bottom),
        )
        .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi))
      if (kind === 'stack') {
        chart.fillOpacity(40).stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal))
      }
      if (limits !== undefined) {
        chart.thresholdsStyle(
          new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed),
        )
      }
      return chart
    }
    case 'number':
    case 'label':
    case 'state':
      return (
        new stat.PanelBuilder()
          .graphMode(common.BigValueGraphMode.None)
          .colorMode(kind === 'state' ? common.BigValueColorMode.Background : common.BigValueColorMode.None)
          // Auto: with the run's name where there are several.
          .textMode(kind === 'label' ? common.BigValueTextMode.Name : common.BigValueTextMode.Auto)
          .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
      )
    case 'states':
      return new timeline.PanelBuilder().showValue(common.VisibilityMode.Auto).mergeValues(true)
    case 'heat':
      return new heatmap.PanelBuilder().calculate(false)
  }
}
