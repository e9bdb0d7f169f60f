import type { SeriesData, SeriesHead } from "./types";

const MAGIC = 0x314d5445; // "ETM1" as a little-endian number

/** Reads an answer of `/api/series`: its header, then f64 x and f64 y of each series. */
export function readFrame(bytes: ArrayBuffer): SeriesData[] {
  const view = new DataView(bytes);
  if (bytes.byteLength < 8 || view.getUint32(0, true) !== MAGIC) {
    throw new Error("the answer does not begin as an answer of series does");
  }
  const length = view.getUint32(4, true);
  const text = new TextDecoder().decode(new Uint8Array(bytes, 8, length));
  const header = JSON.parse(text) as { series: SeriesHead[] };
  let at = 8 + length;
  const take = (n: number): Float64Array => {
    const part = new Float64Array(bytes, at, n);
    at += n * 8;
    return part;
  };
  return header.series.map((head) => ({ ...head, x: take(head.n), y: take(head.n) }));
}
