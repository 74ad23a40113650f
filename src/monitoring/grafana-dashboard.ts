import * as common from '@grafana/grafana-foundation-sdk/common'
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard'
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap'
import * as prometheus from '@grafana/grafana-foundation-sdk/prometheus'
import * as stat from '@grafana/grafana-foundation-sdk/stat'
import * as timeline from '@grafana/grafana-foundation-sdk/statetimeline'
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries'
import type { Dashboard, Panel } from './panels.js'
import { heightOf } from './panels.js'

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
    .withVariable(choice('run', 'Coordinator', 'label_values(convoy_run_info, instance)'))
  if (hasWorkers) {
    made.withVariable(choice('worker', 'Worker', 'label_values(convoy_worker_state{instance=~"$run"}, worker)'))
  }
  for (const { title: row, panels } of rows) {
    made.withRow(new dashboard.RowBuilder(row))
    for (const panel of panels) made.withPanel(grafanaPanel(panel))
  }
  return made.build()
}

/* eslint-enable @typescript-eslint/no-deprecated */

function choice(name: string, label: string, query: string): dashboard.QueryVariableBuilder {
  return new dashboard.QueryVariableBuilder(name)
    .label(label)
    .query(query)
    .datasource(SOURCE)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .current({ selected: true, text: ['All'], value: ['$__all'] })
}

type PanelBuilder = timeseries.PanelBuilder | stat.PanelBuilder | timeline.PanelBuilder | heatmap.PanelBuilder

function grafanaPanel(panel: Panel): PanelBuilder {
  const { title, description, unit, width, queries, limits } = panel
  const made = visual(panel)
  made.title(title).description(description).unit(unit).span(width).height(heightOf(panel)).datasource(SOURCE)
  if (limits !== undefined) {
    made.thresholds(
      new dashboard.ThresholdsConfigBuilder()
        .mode(dashboard.ThresholdsMode.Absolute)
        .steps([GREEN_AT_FIRST, { value: limits.warn, color: 'orange' }, { value: limits.bad, color: 'red' }]),
    )
  }
  for (const [index, { expr, legend }] of queries.entries()) {
    const query = new prometheus.DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .expr(expr)
      .legendFormat(legend)
    if (panel.kind === 'heat') query.format(prometheus.PromQueryFormat.Heatmap)
    if (panel.kind === 'number' || panel.kind === 'label') query.instant()
    made.withTarget(query)
  }
  return made
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
      return new stat.PanelBuilder()
        .graphMode(common.BigValueGraphMode.None)
        .colorMode(common.BigValueColorMode.None)
        .textMode(kind === 'label' ? common.BigValueTextMode.Name : common.BigValueTextMode.Value)
        .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    case 'states':
      return new timeline.PanelBuilder().showValue(common.VisibilityMode.Never).mergeValues(true)
    case 'heat':
      return new heatmap.PanelBuilder().calculate(false)
  }
}
