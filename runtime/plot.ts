// Pictures of results, written as SVG: groups of bars, and lines over time or load. As little as a reader needs to see who is ahead,
// where, and by how much; figures are in the JSON beside.

export interface BarPlot {
  readonly title: string;
  /** Of the values. */
  readonly unit: string;
  /** The same names in each group, in the same order. NaN: it is not known, and there is no bar. */
  readonly groups: readonly { readonly name: string; readonly bars: Readonly<Record<string, number>> }[];
}

export interface LinePlot {
  readonly title: string;
  readonly xUnit: string;
  readonly yUnit: string;
  readonly lines: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>>;
  /** Where on the x axis something happens. */
  readonly marks?: readonly number[];
}

const WIDTH = 960;
const HEIGHT = 360;
const LEFT = 70;
const RIGHT = 20;
const TOP = 60;
const BOTTOM = 50;
/** Okabe and Ito (2008): told apart by the colour-blind as well. */
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000"];
const TICKS = 5;

export function barPlotSvg({ title, unit, groups }: BarPlot): string {
  const names = Object.keys(groups[0]?.bars ?? {});
  const measured = groups.flatMap(({ bars }) => Object.values(bars)).filter(Number.isFinite);
  const top = niceTop(Math.max(0, ...measured));
  const groupWidth = (WIDTH - LEFT - RIGHT) / groups.length;
  const barWidth = (groupWidth * 0.8) / names.length;
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const parts = groups.flatMap(({ name, bars }, group) => {
    const left = LEFT + group * groupWidth;
    return [
      ...names.flatMap((bar, index) => {
        const value = bars[bar];
        if (value === undefined || !Number.isFinite(value)) return [];
        const at = y(value);
        const x = left + groupWidth * 0.1 + index * barWidth;
        const shape = `x="${round(x)}" y="${round(at)}" width="${round(barWidth)}" height="${round(y(0) - at)}"`;
        const words = escaped(`${name}, ${bar}: ${figure(value)} ${unit}`);
        return [`<rect ${shape} fill="${colourOf(index)}"><title>${words}</title></rect>`];
      }),
      text(left + groupWidth / 2, HEIGHT - BOTTOM + 18, name, "middle"),
    ];
  });
  return svg(title, [...yAxis(top, unit, y), ...legend(names), ...parts]);
}

export function linePlotSvg({ title, xUnit, yUnit, lines, marks = [] }: LinePlot): string {
  const points = Object.values(lines).flat();
  const [first, last] = [Math.min(...points.map(([at]) => at)), Math.max(...points.map(([at]) => at))];
  const top = niceTop(Math.max(...points.map(([, value]) => value)));
  const x = (at: number): number => LEFT + ((at - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const xTicks = Array.from({ length: TICKS + 1 }, (_, tick) => first + ((last - first) * tick) / TICKS);
  return svg(title, [
    ...yAxis(top, yUnit, y),
    ...xTicks.map((at) => text(x(at), HEIGHT - BOTTOM + 18, figure(at), "middle")),
    text(WIDTH - RIGHT, HEIGHT - 10, xUnit, "end"),
    ...legend(Object.keys(lines)),
    ...marks.map((at) => `<path d="M${round(x(at))} ${TOP}V${HEIGHT - BOTTOM}" stroke="#bbb" stroke-dasharray="4 3"/>`),
    ...Object.values(lines).map((line, index) => {
      const path = line.map(([at, value], point) => `${point === 0 ? "M" : "L"}${round(x(at))} ${round(y(value))}`);
      return `<path d="${path.join("")}" fill="none" stroke="${colourOf(index)}" stroke-width="1.5"/>`;
    }),
  ]);
}

const svg = (title: string, parts: readonly string[]): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 22, title, "start", 15),
    ...parts,
    "</svg>\n",
  ].join("\n");

const yAxis = (top: number, unit: string, y: (value: number) => number): string[] => [
  text(LEFT - 8, TOP - 12, unit, "end"),
  ...Array.from({ length: TICKS + 1 }, (_, tick) => (top * tick) / TICKS).flatMap((value) => [
    `<path d="M${LEFT} ${round(y(value))}H${WIDTH - RIGHT}" stroke="#ddd"/>`,
    text(LEFT - 8, y(value) + 4, figure(value), "end"),
  ]),
];

function legend(names: readonly string[]): string[] {
  let x = LEFT;
  return names.flatMap((name, index) => {
    const at = x;
    // Sans-serif of 12 is about 7 wide.
    x += 30 + 7 * name.length;
    return [
      `<rect x="${at}" y="32" width="12" height="12" fill="${colourOf(index)}"/>`,
      text(at + 16, 42, name, "start"),
    ];
  });
}

const text = (x: number, y: number, content: string, anchor: "start" | "middle" | "end", size = 12): string =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-size="${size}">${escaped(content)}</text>`;

const escaped = (content: string): string =>
  content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const colourOf = (index: number): string => COLOURS[index % COLOURS.length]!;

/** At least the largest value: 1, 2 or 5 times a power of ten, times a whole number of fifths of it. */
function niceTop(largest: number): number {
  if (!(largest > 0)) return 1;
  const step = 10 ** Math.floor(Math.log10(largest)) / 2;
  return Math.ceil(largest / step) * step;
}

const round = (value: number): number => Math.round(value * 10) / 10;

const figure = (value: number): string => value.toLocaleString("en", { maximumSignificantDigits: 3 });
