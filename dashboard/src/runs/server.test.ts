import { describe, expect, it } from "vitest";
import { KEY } from "../link";
import { createServer, Refused, SILENT } from "./server";

/** A server that answers one after the other, and what it was asked. */
function scripted(...answers: (Response | Error)[]) {
  const asked: { path: string; key: string | undefined }[] = [];
  const waits: number[] = [];
  const kept = new Map<string, string>();
  const storage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, text: string) => void kept.set(name, text),
    removeItem: (name: string) => void kept.delete(name),
  };
  const server = createServer({
    storage,
    wait: async (ms) => void waits.push(ms),
    fetch: async (path, init) => {
      asked.push({ path, key: (init.headers as Record<string, string>).authorization });
      const next = answers.shift();
      if (!next || next instanceof Error) throw next ?? new Error("asked too often");
      return next;
    },
  });
  return { server, asked, waits, kept };
}

const json = (body: unknown, status = 200, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const problem = (code: string) => ({ code, message: `It is ${code}.`, field: "", hint: "do this" });

async function refusal(work: Promise<unknown>): Promise<Refused> {
  return work.then(
    () => expect.unreachable(),
    (error) => {
      expect(error).toBeInstanceOf(Refused);
      return error as Refused;
    },
  );
}

describe("what is asked", () => {
  it("carries no key where there is none, and then the one that was given", async () => {
    const { server, asked } = scripted(json({ runs: [] }), json({ runs: [] }));
    await server.list();
    server.unlock("secret");
    await server.list();
    expect(asked.map((one) => one.key)).toEqual([undefined, "Bearer secret"]);
    expect(server.keyed()).toBe(true);
  });

  it("names runs in a query as they are", async () => {
    const { server, asked } = scripted(json({}));
    await server.compare("a b/c", "d&e=+");
    expect(asked[0]?.path).toBe("/api/v1/runs/compare?a=a+b%2Fc&b=d%26e%3D%2B");
  });

  it("takes a page as what it is", async () => {
    const { server } = scripted(new Response("<h1>é</h1>"));
    const page = await server.page("/api/v1/runs/a/files/report.html");
    expect(page.type).toBe("text/html;charset=utf-8");
    expect(await page.text()).toBe("<h1>é</h1>");
  });
});

describe("what is refused", () => {
  it("is told in its sentence, with its hint", async () => {
    const { server } = scripted(json(problem("no_runs"), 404));
    const found = await refusal(server.list());
    expect([found.status, found.code, found.message, found.hint]).toEqual([
      404,
      "no_runs",
      "It is no_runs.",
      "do this",
    ]);
  });

  it("forgets a key that is not known", async () => {
    const { server, kept } = scripted(json(problem("key"), 401));
    server.unlock("wrong");
    expect((await refusal(server.list())).status).toBe(401);
    expect(kept.has(KEY)).toBe(false);
  });

  it("says so where nobody answers, or no JSON", async () => {
    expect((await refusal(scripted(new TypeError("failed")).server.list())).code).toBe(SILENT);
    const { server } = scripted(new Response("<html>", { status: 502 }));
    expect((await refusal(server.list())).message).toBe("The server answers 502.");
  });
});

describe("what takes long", () => {
  it("is asked for again when the server says", async () => {
    const late = json(problem("too_slow"), 504, { "retry-after": "3" });
    const { server, waits } = scripted(late, json(problem("busy"), 503), json({ common: 7 }));
    expect((await server.compare("a", "b")).common).toBe(7);
    expect(waits).toEqual([3_000, 1_000]);
  });

  it("is given up some time", async () => {
    const late = () => json(problem("too_slow"), 504, { "retry-after": "50" });
    const { server, waits } = scripted(late(), late(), late());
    expect((await refusal(server.compare("a", "b"))).status).toBe(504);
    expect(waits).toEqual([50_000, 50_000]);
  });
});
