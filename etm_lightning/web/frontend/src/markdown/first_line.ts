/** The first line of a Markdown text, without its signs. */
export function firstLine(text: string): string {
  const line = text.split("\n").find((one) => one.trim()) ?? "";
  return line
    .replace(/^\s*(#+|[-*>]|\d+\.)\s+/, "")
    .replace(/(\*\*|__|`)/g, "")
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim();
}
