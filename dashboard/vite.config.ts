/// <reference types="vitest/config" />
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import solid from "vite-plugin-solid";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const entries = ["index.html", "runs.html"].map(at).filter(existsSync);
const server = process.env.FLOWSENSE_SERVER ?? "http://127.0.0.1:8000";

export default defineConfig({
  plugins: [solid()],
  base: "./", // wherever the server puts it
  build: {
    outDir: at("../src/flowsense/serve/board/page"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // the policy of the page allows no data: but for images
    modulePreload: { polyfill: false },
    rollupOptions: { input: entries },
  },
  server: {
    // The server takes only pages of its own: what is asked through here says that it is one.
    proxy: { "/api": { target: server, ws: true, changeOrigin: true, rewriteWsOrigin: true } },
  },
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"] },
});
