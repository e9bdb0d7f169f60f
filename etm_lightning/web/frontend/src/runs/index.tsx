import { Empty } from "../shell/states";

/** `#/runs` */
export function RunsPage() {
  return <Empty title="Runs" />;
}
