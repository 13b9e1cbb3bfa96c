// Charts of the results as SVG. The only file that knows ECharts.

import { METRICS, type Measurement, type Metric, valuesOf } from './figures.js'
import { loadPackage } from './peers/packages.js'
import { spreadOf } from './statistics.js'

export interface Chart {
  readonly file: string
  readonly title: string
  readonly svg: string
}

/** Bars in groups: a group for each cell, in it a bar for each entrant. */
interface ChartPlan {
  readonly file: string
  readonly title: string
  readonly metric: Metric
  /** Cells by what they are called in the chart. */
  readonly groups: Readonly<Record<string, string>>
}

interface EchartsModule {
  init(dom: null, theme: null, options: object): EchartsInstance
}

interface EchartsInstance {
  setOption(option: object): void
  renderToSVGString(): string
  dispose(): void
}

const PLANS: readonly ChartPlan[] = [
  {
    file: 'processes.svg',
    title: '4 processes, 64 operations under way in each',
    metric: 'operationsPerSecond',
    groups: { get: 'get-4x64', put: 'put-4x64', mixed: 'mixed-4x64' }
  },
  {
    file: 'in-process.svg',
    title: '1 process, 256 operations under way',
    metric: 'operationsPerSecond',
    groups: { get: 'get-1x256', put: 'put-1x256', mixed: 'mixed-1x256' }
  },
  {
    file: 'scans.svg',
    title: 'Scans of everything, as text',
    metric: 'operationsPerSecond',
    groups: {
      'for await': 'scan-iterator-utf8',
      nextv: 'scan-nextv-utf8',
      all: 'scan-all-utf8',
      keys: 'scan-keys-utf8',
      reverse: 'scan-reverse-utf8'
    }
  },
  {
    file: 'batches.svg',
    title: 'Many keys in one call, 1 process',
    metric: 'operationsPerSecond',
    groups: {
      'batch of 10': 'batch-10-1x8',
      'batch of 1,000': 'batch-1000-1x8',
      'getMany of 100': 'getMany-100-1x8'
    }
  },
  {
    file: 'latency.svg',
    title: 'One get after another: median time',
    metric: 'p50Us',
    groups: { get: 'latency', 'get, processor awake': 'latency-awake' }
  }
]

/** The same colour for the same entrant in every chart. */
const COLOURS: Readonly<Record<string, string>> = {
  partyd: '#d1495b',
  'rave-level': '#30638e',
  'many-level': '#7fb2d6',
  'many-level-own': '#00798c',
  'level-party': '#8d96a3',
  'classic-level': '#edae49',
  lmdb: '#66a182',
  'better-sqlite3': '#2e4057',
  redis: '#a37c82',
  echo: '#c9c9c9'
}

const SIZE = { width: 860, height: 380 }

/** Those for which there are measurements; none where ECharts is not installed. */
export async function drawCharts(measurements: readonly Measurement[]): Promise<Chart[]> {
  const plans = PLANS.filter(({ groups }) =>
    measurements.some(({ cell }) => Object.values(groups).includes(cell))
  )
  const echarts = await loadPackage<EchartsModule>('echarts').catch(() => undefined)
  if (echarts === undefined) return []
  return plans.map((plan) => ({
    file: plan.file,
    title: plan.title,
    svg: draw(echarts, optionOf(plan, measurements))
  }))
}

function draw({ init }: EchartsModule, option: object): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE })
  chart.setOption(option)
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

function optionOf({ title, metric, groups }: ChartPlan, all: readonly Measurement[]): object {
  const cells = Object.values(groups)
  const entrants = new Set(
    all.filter(({ cell }) => cells.includes(cell)).map(({ entrant }) => entrant)
  )
  const medianOf = (cell: string, entrant: string): number | null => {
    const found = all.find((one) => one.cell === cell && one.entrant === entrant)
    return found === undefined ? null : Math.round(spreadOf(valuesOf(found, metric)).median)
  }
  return {
    animation: false,
    // Readable on a dark page too.
    backgroundColor: '#ffffff',
    title: { text: title, left: 12, top: 8, textStyle: { fontSize: 15 } },
    legend: { bottom: 6, itemWidth: 14, itemHeight: 10 },
    grid: { left: 84, right: 20, top: 56, bottom: 64 },
    xAxis: { type: 'category', data: Object.keys(groups), axisTick: { show: false } },
    yAxis: { type: 'value', name: METRICS[metric], nameTextStyle: { align: 'left' } },
    series: [...entrants].map((entrant) => ({
      type: 'bar',
      name: entrant,
      barGap: '8%',
      itemStyle: { color: COLOURS[entrant] ?? '#555555' },
      data: cells.map((cell) => medianOf(cell, entrant))
    }))
  }
}
