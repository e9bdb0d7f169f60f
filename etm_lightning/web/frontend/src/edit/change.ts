import { useCallback } from "preact/hooks";

import { useApp } from "../app";
import type { Edit, Row } from "../api/types";

/** Changes a run and tells how that went; null when it was refused. */
export function useChange(): (key: string, edit: Edit) => Promise<Row | null> {
  const { source, say } = useApp();
  return useCallback(
    async (key, edit) => {
      try {
        return await source.edit(key, edit);
      } catch (error) {
        say(`Not changed: ${(error as Error).message}`, "bad");
        return null;
      }
    },
    [source, say],
  );
}
