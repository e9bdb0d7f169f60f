import { Empty } from "../shell/states";

/** `#/groups` */
export function GroupsPage() {
  return <Empty title="Groups" />;
}
