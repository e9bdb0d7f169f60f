import { Empty } from "../shell/states";

/** `#/group/<store>/<project>/<group>` */
export function StudyPage({ parts }: { parts: Record<string, string> }) {
  return <Empty title={parts["group"] ?? ""}>A study.</Empty>;
}
