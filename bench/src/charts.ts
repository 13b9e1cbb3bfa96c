// Charts of the results as SVG. The only file that knows ECharts.

import { METRICS, type Measurement, type Metric, valuesOf } from './figures.js'
import { loadPackage } from './peers/packages.js'
import { spreadOf } from './statistics.js'
import { rounded } from './tables.js'

export interface Chart {
  readonly file: string
  readonly title: string
  readonly svg: string
}

/** Panels side by side, each of one cell and with a scale of its own, and a bar for each entrant. */
interface ChartPlan {
  readonly file: string
  readonly title: string
  readonly metric: Metric
  /** Cells by what their panels are called. */
  readonly panels: Readonly<Record<string, string>>
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
    panels: { get: 'get-4x64', put: 'put-4x64', mixed: 'mixed-4x64' }
  },
  {
    file: 'in-process.svg',
    title: '1 process, 256 operations under way',
    metric: 'operationsPerSecond',
    panels: { get: 'get-1x256', put: 'put-1x256', mixed: 'mixed-1x256' }
  },
  {
    file: 'scans.svg',
    title: 'Scans of everything, as text',
    metric: 'operationsPerSecond',
    panels: {
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
    panels: {
      'batch of 10': 'batch-10-1x8',
      'batch of 1,000': 'batch-1000-1x8',
      'getMany of 100': 'getMany-100-1x8'
    }
  },
  {
    file: 'latency.svg',
    title: 'One get after another: median time',
    metric: 'p50Us',
    panels: { get: 'latency', 'get, processor awake': 'latency-awake' }
  }
]

const OWN = 'partyd'
const OWN_COLOUR = '#c8344d'
const OTHER_COLOUR = '#8fa3b5'

/** Pixels. */
const WIDTH = 960
const TOP = 66
const BAR = 26
const NAMES = 118
/** Right of each panel, for the number at the end of the longest bar. */
const NUMBERS = 52

/** Those for which there are measurements; none where ECharts is not installed. */
export async function drawCharts(measurements: readonly Measurement[]): Promise<Chart[]> {
  const measured = new Set(measurements.map(({ cell }) => cell))
  const plans = PLANS.map((plan) => ({
    ...plan,
    panels: Object.fromEntries(Object.entries(plan.panels).filter(([, cell]) => measured.has(cell)))
  })).filter(({ panels }) => Object.keys(panels).length > 0)
  const echarts = await loadPackage<EchartsModule>('echarts').catch(() => undefined)
  if (echarts === undefined) return []
  return plans.map((plan) => ({
    file: plan.file,
    title: plan.title,
    svg: draw(echarts, plan, measurements)
  }))
}

function draw({ init }: EchartsModule, plan: ChartPlan, all: readonly Measurement[]): string {
  const cells = Object.values(plan.panels)
  const measured = all.filter(({ cell }) => cells.includes(cell))
  // The first entrant belongs on top, where the axis ends.
  const entrants = [...new Set(measured.map(({ entrant }) => entrant))].reverse()
  const height = TOP + entrants.length * BAR + 12
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height })
  chart.setOption(optionOf(plan, measured, entrants))
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

function optionOf(
  { title, metric, panels }: ChartPlan,
  measured: readonly Measurement[],
  entrants: readonly string[]
): object {
  const names = Object.keys(panels)
  const width = (WIDTH - NAMES) / names.length
  const left = (index: number): number => NAMES + index * width
  return {
    animation: false,
    // Readable on a dark page too.
    backgroundColor: '#ffffff',
    title: [
      { text: `${title}: ${METRICS[metric]}`, left: 8, top: 6, textStyle: { fontSize: 15 } },
      ...names.map((text, index) => ({
        text,
        left: left(index),
        top: 38,
        textStyle: { fontSize: 13, fontWeight: 'normal' }
      }))
    ],
    grid: names.map((_, index) => ({
      left: left(index),
      width: width - NUMBERS,
      top: TOP,
      height: entrants.length * BAR
    })),
    xAxis: names.map((_, index) => ({ type: 'value', gridIndex: index, show: false })),
    yAxis: names.map((_, index) => ({
      type: 'category',
      gridIndex: index,
      data: entrants,
      axisTick: { show: false },
      axisLabel: { show: index === 0 }
    })),
    series: Object.values(panels).map((cell, index) => ({
      type: 'bar',
      xAxisIndex: index,
      yAxisIndex: index,
      barWidth: '68%',
      label: { show: true, position: 'right' },
      data: entrants.map((entrant) => barOf(measured, cell, entrant, metric))
    }))
  }
}

function barOf(
  measured: readonly Measurement[],
  cell: string,
  entrant: string,
  metric: Metric
): object {
  const found = measured.find((one) => one.cell === cell && one.entrant === entrant)
  if (found === undefined) return { value: null }
  const value = spreadOf(valuesOf(found, metric)).median
  return {
    value,
    itemStyle: { color: entrant === OWN ? OWN_COLOUR : OTHER_COLOUR },
    label: { formatter: short(value) }
  }
}

function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`
  return value >= 1e4 ? `${Math.round(value / 1e3)} k` : rounded(value)
}
