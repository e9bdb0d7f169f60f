// @vitest-environment happy-dom
import { render } from "preact";
import { describe, expect, it } from "vitest";

import { Elements } from "./elements";
import { firstLine } from "./first_line";

function drawn(text: string): HTMLElement {
  const place = document.createElement("div");
  render(<Elements text={text} />, place);
  return place;
}

describe("Markdown", () => {
  it("has headings, lists, tables, code and links", () => {
    const page = drawn("# A\n\n- b **c**\n- `d`\n\n| e |\n| -: |\n| 1 |\n\n```\nf < g\n```\n\n[h](https://x.org/?a=1&b=2)");
    expect(page.querySelector("h3")?.textContent).toBe("A");
    expect([...page.querySelectorAll("li")].map((one) => one.textContent?.trim())).toEqual(["b c", "d"]);
    expect(page.querySelector("td")?.className).toBe("num");
    expect(page.querySelector("pre")?.textContent).toBe("f < g");
    expect(page.querySelector("a")?.getAttribute("href")).toBe("https://x.org/?a=1&b=2");
  });

  const HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a <b onclick=alert(1)>b</b> c",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](https://evil.example/pixel.png)",
    "<https://ok.example/\"onmouseover=alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    "<svg><animate onbegin=alert(1)></svg>",
    "| a |\n| - |\n| <iframe src=javascript:alert(1)></iframe> |",
  ];
  const ALLOWED = new Set("DIV P H3 H4 UL OL LI A CODE PRE STRONG EM DEL BR HR BLOCKQUOTE TABLE THEAD TBODY TR TH TD INPUT".split(" "));
  it.each(HOSTILE)("makes nothing of %s but text and links to the web", (text) => {
    for (const element of drawn(text).querySelectorAll("*")) {
      expect(ALLOWED).toContain(element.tagName.toUpperCase());
      expect([...element.attributes].map((one) => one.name).filter((name) => name.startsWith("on") || name === "src")).toEqual([]);
      if (element.hasAttribute("href")) expect(element.getAttribute("href")).toMatch(/^(https?|mailto):/i);
    }
  });

  it("shows HTML as it was typed", () => {
    expect(drawn("<b>x</b> & &lt; 'y'").textContent).toContain("<b>x</b> & ");
    expect(drawn("a < b && c > d").textContent?.trim()).toBe("a < b && c > d");
  });

  it("has a first line without its signs", () => {
    expect(firstLine("\n## The **best** [run](x)\nmore")).toBe("The best run");
  });
});
