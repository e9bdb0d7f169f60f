import { describe, expect, it } from "vitest";

import { href, match, path, readRoute } from "./router";

describe("addresses", () => {
  it("come back as they went in", () => {
    const address = href(path("group", "0", "news/2024", "lr sweep?"), { q: 'lr > 1e-4 and "a&b" in tags', keys: ["a", "b"] });
    const route = readRoute(address);
    expect(match("/group/:store/:project/:group", route.path)).toEqual({ store: "0", project: "news/2024", group: "lr sweep?" });
    expect(route.query.get("q")).toBe('lr > 1e-4 and "a&b" in tags');
    expect(route.query.get("keys")).toBe("a,b");
  });

  it("leave out what is empty", () => {
    expect(href("/runs", { q: "", project: null, keys: [] })).toBe("#/runs");
  });

  it("fit only patterns of their length", () => {
    expect(match("/run/:key", "/run/a/b")).toBeNull();
    expect(match("/runs", "/run")).toBeNull();
    expect(match("/run/:key", "/run/%zz")).toEqual({ key: "%zz" });
  });
});
