import { useApp } from "../app";
import { Empty } from "../shell/states";
import { useListParam } from "../router";
import { Charts } from "./index";

/** `#/charts?keys=…` */
export function ChartsPage() {
  const { source } = useApp();
  const [keys] = useListParam("keys");
  if (keys.length === 0) return <Empty title="No runs chosen">Select runs in the table, then press Charts.</Empty>;
  return <Charts source={source} keys={keys} />;
}
