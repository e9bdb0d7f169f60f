import { useAsked } from "../asked";

/** Markdown as elements. What reads it is made ready at its first use, as few pages have any. */
export function Markdown({ text }: { text: string }) {
  const { value } = useAsked(() => import("./elements"), []);
  return value && <value.Elements text={text} />;
}
