import { Empty } from "../shell/states";
import { useListParam } from "../router";

/** `#/compare?keys=…&baseline=…` */
export function ComparePage() {
  const [keys] = useListParam("keys");
  return <Empty title="Compare">{keys.length} runs.</Empty>;
}
