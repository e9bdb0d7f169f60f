import { number, whole } from "../numbers/format";

export interface HistogramData {
  counts: number[];
  edges: number[];
  min: number | null;
  max: number | null;
  mean: number | null;
  std: number | null;
  count: number;
  nonfinite: number;
}

const WIDTH = 420;
const HEIGHT = 150;

/** Bars as wide as their bins; the area stands for the count. */
export function Histogram({ data }: { data: HistogramData }) {
  const { counts, edges } = data;
  const [low, high] = [edges[0] ?? 0, edges[edges.length - 1] ?? 1];
  const widths = counts.map((_, i) => (edges[i + 1] as number) - (edges[i] as number));
  const densities = counts.map((n, i) => n / (widths[i] || 1));
  const top = Math.max(...densities, Number.MIN_VALUE);
  const x = (value: number): number => ((value - low) / (high - low || 1)) * WIDTH;
  return (
    <div>
      <svg class="plot" viewBox={`0 0 ${WIDTH} ${HEIGHT + 18}`} role="img" aria-label={`Histogram of ${data.count} values`}>
        {densities.map((density, i) => {
          const height = (density / top) * HEIGHT;
          const left = x(edges[i] as number);
          return (
            <rect key={i} x={left} y={HEIGHT - height} width={Math.max(0.5, x(edges[i + 1] as number) - left - 0.6)} height={height} fill="var(--accent)">
              <title>{`${number(edges[i] as number)} to ${number(edges[i + 1] as number)}: ${counts[i]}`}</title>
            </rect>
          );
        })}
        <line x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} stroke="var(--rule)" />
        {[low, (low + high) / 2, high].map((value, i) => (
          <text key={i} x={x(value)} y={HEIGHT + 14} text-anchor={["start", "middle", "end"][i] as "start"} class="tick">
            {number(value, 3)}
          </text>
        ))}
      </svg>
      <p class="soft small">
        mean {data.mean === null ? "–" : number(data.mean)} · sd {data.std === null ? "–" : number(data.std)} · {whole(data.count)} values
        {data.nonfinite > 0 && <span class="warn"> · {data.nonfinite} not finite</span>}
      </p>
    </div>
  );
}
