import { Empty } from "../shell/states";

/** `#/run/<key>` */
export function RunPage({ parts }: { parts: Record<string, string> }) {
  return <Empty title={parts["key"] ?? ""} />;
}
