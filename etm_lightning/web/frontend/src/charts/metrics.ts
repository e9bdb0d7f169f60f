import { useEffect, useMemo, useState } from "preact/hooks";

import type { Source } from "../api/source";
import type { Row, SeriesInfo } from "../api/types";
import type { Metric } from "./sections";

/** How many of the runs are asked for what their rows do not tell: the samples of the machine. */
const ASKED = 3;

/** The metrics that the rows of runs name. */
export function metricsOf(rows: readonly Row[]): Metric[] {
  const counts = new Map<string, number>();
  for (const row of rows) for (const label of Object.keys(row.metrics)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, count]) => ({ label, count, machine: false }));
}

/** The metrics of runs: those that their rows name, and a little later those of the machine. */
export function useMetrics(source: Source, rows: readonly Row[], only: "metrics" | "system" | undefined): Metric[] {
  const [machine, setMachine] = useState<readonly SeriesInfo[]>([]);
  const some = rows.slice(0, ASKED).map((row) => row.key);
  useEffect(() => {
    let here = true;
    if (only === "metrics") return;
    const wait = setTimeout(
      () =>
        void Promise.all(some.map((key) => source.run(key))).then(
          (runs) => here && setMachine(runs.flatMap((run) => run.series.filter((series) => series.axis === "seconds" && series.rank === 0))),
          () => undefined, // the charts of what the rows tell are shown all the same
        ),
      only === "system" ? 0 : 600,
    );
    return () => {
      here = false;
      clearTimeout(wait);
    };
  }, [source, some.join(), only]);
  return useMemo(() => {
    const logged = metricsOf(rows);
    const sampled = [...new Set(machine.map((series) => series.label))].map((label) => ({ label, count: rows.length, machine: true }));
    return only === "metrics" ? logged : only === "system" ? sampled : [...logged, ...sampled];
  }, [rows, machine, only]);
}
