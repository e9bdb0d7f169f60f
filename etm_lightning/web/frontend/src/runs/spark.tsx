import type { Spark as Values } from "./sparks";

const WIDTH = 64;
const HEIGHT = 18;

/** A curve in the height of a line, without axes. */
export function Spark({ values, colour }: { values: Values | undefined; colour?: string | undefined }) {
  const known = (values ?? []).flatMap((value, i) => (value === null || !Number.isFinite(value) ? [] : [[i, value] as const]));
  if (known.length < 2) return <span class="spark" />;
  const low = Math.min(...known.map((one) => one[1]));
  const high = Math.max(...known.map((one) => one[1]));
  const wide = (values?.length ?? 2) - 1;
  const points = known.map(([i, value]) => {
    const y = high > low ? (value - low) / (high - low) : 0.5;
    return `${((i / wide) * (WIDTH - 4) + 2).toFixed(1)},${(HEIGHT - 3 - y * (HEIGHT - 6)).toFixed(1)}`;
  });
  const [x, y] = (points[points.length - 1] as string).split(",");
  return (
    <svg class="spark" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      <polyline points={points.join(" ")} fill="none" stroke={colour ?? "var(--spark)"} stroke-width="1.3" stroke-linejoin="round" />
      <circle cx={x} cy={y} r="1.8" fill={colour ?? "var(--spark)"} />
    </svg>
  );
}
