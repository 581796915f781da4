// @vitest-environment jsdom
import { cleanup, fireEvent, render, waitFor } from "@solidjs/testing-library";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "./App";
import { Refused, type Server } from "./server";
import type { Comparison, Finished, Runs, Score } from "./told";

const SCORE: Score = {
  target: "mid@1s",
  score: "accuracy",
  value: 0.62,
  null: "the vote null",
  beside: 0.59,
  ci95: [0.01, 0.05],
  stands: "above",
  rows: 100,
};

function run(name: string, more: Partial<Finished> = {}): Finished {
  const pages = [{ title: "report", path: `/api/v1/runs/${name}/files/report.html` }];
  const told = { kind: "run", when: 1e18, title: "", model: "xgboost", why: "" } as const;
  return { name, ...told, instruments: [], scores: [SCORE], pages, ...more };
}

const COMPARED: Comparison = {
  a: { name: "one", model: "xgboost", rows: 10 },
  b: { name: "two", model: "logistic", rows: 10 },
  common: 10,
  targets: [
    {
      ...{ target: "mid@1s", n: 9, rows: 10, verdict: "B is better", in_turn: [] },
      scores: [
        {
          score: "accuracy",
          a: 0.5,
          b: 0.6,
          difference: -0.1,
          ci95: [-0.2, -0.05],
          p: 0,
          better: "b",
        },
        { score: "mae", a: null, b: 0.6, difference: null, ci95: null, p: null, better: null },
      ],
    },
  ],
  luck: "2 intervals were looked at.",
  notes: ["ofi@1s: only A forecasts it"],
};

function serverOf(list: Runs | Refused, more: Partial<Server> = {}): Server {
  return {
    keyed: () => false,
    unlock: vi.fn(),
    list: vi.fn(async () => {
      if (list instanceof Refused) throw list;
      return list;
    }),
    compare: vi.fn(async () => COMPARED),
    page: vi.fn(async () => new Blob(["<h1>report</h1>"])),
    ...more,
  };
}

const of = (...runs: Finished[]): Runs => ({ folder: "runs", runs, left_out: 0 });
const text = () => document.body.textContent ?? "";
const rows = () => [...document.querySelectorAll<HTMLElement>("tr[data-name]")];
const press = (key: string) => fireEvent.keyDown(document.activeElement ?? document, { key });

beforeEach(() => {
  URL.createObjectURL = () => "blob:it";
  URL.revokeObjectURL = () => {};
});
afterEach(() => {
  cleanup();
  history.replaceState(null, "", "/runs.html");
});

describe("what is not there", () => {
  it("says how to name a folder", async () => {
    render(() => <App server={serverOf(new Refused(404, "no_runs", "There is none.", ""))} />);
    await waitFor(() => expect(text()).toContain("start the server with --runs DIR"));
  });

  it("says how to fill it", async () => {
    render(() => <App server={serverOf(of())} />);
    await waitFor(() => expect(text()).toContain("flowsense run RECORDING --out runs/NAME"));
  });

  it("asks for a key, and comes again with it", async () => {
    const server = serverOf(new Refused(401, "key", "A key is needed.", ""));
    render(() => <App server={server} />);
    await waitFor(() => expect(text()).toContain("A key is needed."));
    const input = document.querySelector<HTMLInputElement>("input[type=password]")!;
    fireEvent.input(input, { target: { value: " secret " } });
    fireEvent.submit(input.form!);
    expect(server.unlock).toHaveBeenCalledWith("secret");
    expect(server.list).toHaveBeenCalledTimes(2);
  });

  it("says that nobody answers, and asks again when told to", async () => {
    const server = serverOf(new Refused(0, "silent", "The server does not answer.", ""));
    render(() => <App server={server} />);
    await waitFor(() => expect(text()).toContain("The server does not answer."));
    fireEvent.click(
      [...document.querySelectorAll("button")].find((b) => b.textContent === "ask again")!,
    );
    expect(server.list).toHaveBeenCalledTimes(2);
  });

  it("tells of a run that is damaged, and of one that went away", async () => {
    history.replaceState(null, "", "#a=gone");
    render(() => <App server={serverOf(of(run("one", { scores: [], why: "it is damaged" })))} />);
    await waitFor(() => expect(rows()[0]?.textContent).toContain("it is damaged"));
    expect(text()).toContain("There is no gone any more.");
  });
});

describe("the list", () => {
  it("shows a score beside its null, its interval, and what it means by a word", async () => {
    render(() => <App server={serverOf(of(run("one")))} />);
    await waitFor(() => expect(rows()).toHaveLength(1));
    for (const part of [
      "0.620",
      "0.590",
      "the vote null",
      "+3.0 points",
      "+1.0 to +5.0",
      "▲ better",
    ])
      expect(rows()[0]?.textContent).toContain(part);
  });

  it("is filtered and sorted", async () => {
    const low = { ...SCORE, value: 0.4 };
    render(() => <App server={serverOf(of(run("one"), run("two", { scores: [low] })))} />);
    await waitFor(() => expect(rows()).toHaveLength(2));
    fireEvent.click(document.querySelector("thead th:nth-child(4) button")!);
    fireEvent.click(document.querySelector("thead th:nth-child(4) button")!);
    expect(rows().map((row) => row.dataset.name)).toEqual(["two", "one"]);
    expect(document.querySelector("[aria-sort]")?.getAttribute("aria-sort")).toBe("ascending");
    fireEvent.input(document.querySelector("input[type=search]")!, { target: { value: "tw" } });
    expect(rows().map((row) => row.dataset.name)).toEqual(["two"]);
    fireEvent.input(document.querySelector("input[type=search]")!, { target: { value: "x y" } });
    expect(text()).toContain("Nothing of 2 matches");
  });
});

describe("what is open", () => {
  it("is a report in a frame in which nothing runs", async () => {
    const server = serverOf(of(run("one"), run("two")));
    render(() => <App server={server} />);
    await waitFor(() => expect(rows()).toHaveLength(2));
    press("ArrowDown");
    press("Enter");
    await waitFor(() => expect(document.querySelector("iframe")).not.toBeNull());
    const frame = document.querySelector("iframe")!;
    expect([frame.getAttribute("sandbox"), frame.getAttribute("src")]).toEqual([
      "allow-same-origin",
      "blob:it",
    ]);
    expect(server.page).toHaveBeenCalledWith("/api/v1/runs/one/files/report.html");
    expect(location.hash).toBe("#a=one");
    expect(document.querySelector<HTMLAnchorElement>("a[target]")?.getAttribute("href")).toBe(
      "/api/v1/runs/one/files/report.html",
    );
  });

  it("is a comparison of two, by keys alone, and its dashes say why", async () => {
    const server = serverOf(of(run("one"), run("two")));
    render(() => <App server={server} />);
    await waitFor(() => expect(rows()).toHaveLength(2));
    press("j");
    press("Enter");
    press("j");
    press("c");
    await waitFor(() => expect(text()).toContain("▶ B better"));
    expect(server.compare).toHaveBeenCalledWith("one", "two");
    expect(text()).toContain("−10.0 points");
    expect(text()).toContain("– (no row of A counts)");
    expect(text()).toContain("Note: ofi@1s: only A forecasts it.");
    press("x");
    await waitFor(() => expect(server.compare).toHaveBeenCalledWith("two", "one"));
    press("Escape");
    expect(location.hash).toBe("");
  });

  it("says why two accounts are not compared", async () => {
    history.replaceState(null, "", "#a=one&b=two");
    const server = serverOf(of(run("one"), run("two", { kind: "backtest" })));
    render(() => <App server={server} />);
    await waitFor(() => expect(text()).toContain("flowsense backtest --against"));
    expect(server.compare).not.toHaveBeenCalled();
  });

  it("says why a comparison is refused", async () => {
    history.replaceState(null, "", "#a=one&b=two");
    const compare = async () => {
      throw new Refused(409, "refused", "No row in common.", "");
    };
    render(() => <App server={serverOf(of(run("one"), run("two")), { compare })} />);
    await waitFor(() => expect(text()).toContain("No row in common."));
  });
});
