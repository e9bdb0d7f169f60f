/// <reference types="vitest/config" />
import { defineConfig } from "vite";

// One script and one style of fixed names: the server sends them as files, an exported page holds them itself.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: "app.js",
        assetFileNames: "app[extname]",
      },
    },
  },
  test: { include: ["src/**/*.test.{ts,tsx}"], isolate: false },
  // `npm run dev` shows a running `etm ui`, whose token it passes on
  server: {
    proxy: {
      "/api": {
        target: process.env["ETM_UI"] ?? "http://127.0.0.1:8265",
        changeOrigin: true,
        headers: { authorization: `Bearer ${process.env["ETM_UI_TOKEN"] ?? ""}` },
        configure: (proxy) =>
          proxy.on("proxyReq", (request) => {
            request.removeHeader("origin");
            request.removeHeader("referer");
          }),
      },
    },
  },
});
