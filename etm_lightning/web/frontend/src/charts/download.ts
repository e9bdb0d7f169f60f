/** A chart as a file. */

import type { SeriesData } from "../api/types";
import type { Line } from "./lines";
import type { Paper } from "./ink";

const LEGEND = 18;

/** Hands a file to the browser's downloads. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const fileName = (label: string, suffix: string): string => `${label.replace(/[^\w.-]+/g, "-")}.${suffix}`;

/** Rows of run, x and value; text that a table program would take for a formula gets a quotation mark in front. */
export function csv(series: readonly SeriesData[], name: (key: string) => string, x: string, label: string): string {
  const rows = [["run", "key", x, label].map(cell).join(",")];
  for (const one of series) {
    const odd = new Map(one.nonfinite);
    const head = `${cell(name(one.run))},${cell(one.run)}`;
    const points: [number, string][] = Array.from(one.x, (at, i) => [at, String(one.y[i])]);
    for (const [at, kind] of odd) points.push([at, kind]);
    points.sort((a, b) => a[0] - b[0]);
    for (const [at, value] of points) rows.push(`${head},${at},${value}`);
  }
  return `${rows.join("\n")}\n`;
}

function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The canvas of a chart with its title above and its lines named below. */
export async function picture(chart: HTMLCanvasElement, title: string, lines: readonly Line[], paper: Paper): Promise<Blob> {
  const ratio = devicePixelRatio;
  const named = lines.slice(0, 40);
  const columns = Math.max(1, Math.floor(chart.width / ratio / 220));
  const canvas = document.createElement("canvas");
  canvas.width = chart.width;
  canvas.height = chart.height + (28 + Math.ceil(named.length / columns) * LEGEND + 8) * ratio;
  const ctx = canvas.getContext("2d")!;
  ctx.fillStyle = paper.paper;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(chart, 0, 28 * ratio);
  ctx.scale(ratio, ratio);
  ctx.fillStyle = paper.text;
  ctx.font = paper.font.replace("11px", "600 13px");
  ctx.fillText(title, 10, 19);
  ctx.font = paper.font;
  const wide = (chart.width / ratio - 20) / columns;
  named.forEach((line, k) => {
    const [left, top] = [10 + (k % columns) * wide, chart.height / ratio + 28 + (Math.floor(k / columns) + 0.7) * LEGEND];
    ctx.strokeStyle = paper.ink.colour(line.slot);
    ctx.lineWidth = 2;
    ctx.setLineDash(paper.ink.dash(line.slot));
    ctx.beginPath();
    ctx.moveTo(left, top - 4);
    ctx.lineTo(left + 18, top - 4);
    ctx.stroke();
    ctx.fillText(line.label, left + 24, top, wide - 30);
  });
  return new Promise((done) => canvas.toBlob((blob) => done(blob!), "image/png"));
}
