// @vitest-environment jsdom
import { cleanup, fireEvent, render, screen } from "@solidjs/testing-library";
import { afterEach, describe, expect, it } from "vitest";
import type { Explanation } from "../board";
import { createBare } from "../testing/bare";
import { hello, votes } from "../testing/says";
import type { Prediction, VotesNow } from "../told";
import { VETOES } from "../vetoes";
import Votes from "./Votes";

const NOW = 1_700_000_000_000;
const SAID = votes(41, NOW, 0);

function of(change: Partial<Prediction>, besides: Partial<VotesNow> = {}): VotesNow {
  return { ...SAID, prediction: { ...(SAID.prediction as Prediction), ...change }, ...besides };
}

function shown(now: VotesNow | undefined, explain?: () => Promise<Explanation>) {
  const told = createBare(explain ?? (() => Promise.reject(new Error("nobody is there"))));
  told.setHello(hello(NOW));
  if (now) told.setVotes(now);
  const { container } = render(() => <Votes board={told.board} />);
  const decision = () => container.querySelector(".decision") as HTMLElement;
  return { ...told, container, decision };
}

afterEach(cleanup);

describe("the decision", () => {
  it("has the API's own numbers as data, not rounded", () => {
    const { decision } = shown(SAID);
    const one = SAID.prediction?.forecasts[0];
    expect(decision().dataset.sequence).toBe("41");
    expect(Number(decision().dataset.pUp)).toBe(one?.p_up);
    expect(Number(decision().dataset.confidence)).toBe(SAID.prediction?.confidence);
    expect(Number(decision().dataset.mid)).toBe(SAID.prediction?.mid);
  });

  it("says the side in a word, a sign and a shape", () => {
    const { decision, setVotes } = shown(of({ direction: 1 }));
    expect(decision().querySelector(".side")?.textContent).toBe("▲ + up");
    setVotes(of({ direction: -1 }));
    expect(decision().querySelector(".side")?.textContent).toBe("▼ − down");
  });

  it("may be acted on, or says why not, veto by veto", () => {
    const { decision, setVotes } = shown(of({ vetoes: [] }, { should_trade: true }));
    expect(decision().textContent).toContain("Act on it");
    setVotes(of({ vetoes: ["unsure", "breaker"] }, { should_trade: false }));
    expect(decision().textContent).toContain(`${VETOES.unsure}; ${VETOES.breaker}.`);
    expect(decision().textContent).not.toContain("Act on it");
  });

  it("may not be acted on once the server is silent, whatever it said last", () => {
    const { decision, setStale } = shown(of({ vetoes: [] }, { should_trade: true }));
    setStale(true);
    expect(decision().textContent).toMatch(/Do not act: the server has not been heard/);
  });

  it("shows no number that is not known: a dash, with its reason", () => {
    const forecasts = [{ ...SAID.prediction!.forecasts[0]!, ready: false }];
    const { decision } = shown(of({ direction: 0, confidence: 0, forecasts, stop: 0 }));
    expect(decision().dataset.pUp).toBeUndefined();
    expect(decision().querySelector(".chances")?.textContent).toContain("P(up) –");
    expect(decision().querySelector(".headline .unknown")?.getAttribute("title")).toMatch(
      /no side/,
    );
  });

  it("waits before anything was told, and is not 0 before anything was predicted", () => {
    expect(shown(undefined).container.textContent).toContain("waits for votes");
    cleanup();
    const { decision } = shown({ ...SAID, prediction: null, should_trade: false });
    expect(decision().textContent).toContain("nothing was said of this instrument yet");
    expect(decision().dataset.sequence).toBeUndefined();
  });
});

describe("members", () => {
  it("have a row each: what they lean to, or why they are not heard", () => {
    const { container } = shown(SAID);
    const rows = [...container.querySelectorAll<HTMLElement>("[data-member]")];
    expect(rows.map((row) => row.dataset.state)).toEqual(SAID.votes.map((vote) => vote.state));
    expect(rows[3]?.textContent).toContain("left out: late");
    expect(rows[4]?.textContent).toContain("warming up");
    expect(rows[3]?.querySelector(".lean")).toBeNull();
  });

  it("are told with their quorum", () => {
    const { container } = shown({ ...SAID, answered: 2, needed: 3 });
    expect(container.querySelector("dl.accord")?.textContent).toContain("too few");
  });

  it("are one row of a single model, which says so", () => {
    const { container } = shown({ ...SAID, votes: SAID.votes.slice(0, 1), answered: 1, needed: 1 });
    expect(container.querySelectorAll("[data-member]").length).toBe(1);
    expect(container.textContent).toContain("A single model");
  });
});

describe("the reasons", () => {
  const WHY: Explanation = {
    prediction: SAID.prediction as Prediction,
    members: {},
    weights: { xgboost: 0.75, logistic: 0.25 },
    columns: { ofi_l1: 1.5, spread: 2 },
    contributions: { ofi_l1: 0.5, spread: -0.25, base: 0.125 },
    costs: { spread: 1, fees: 4 },
  };

  it("open on the decision, with what columns add and what it comes to", async () => {
    const { decision, container } = shown(SAID, () => Promise.resolve(WHY));
    fireEvent.click(decision());
    await screen.findByText("+0.500");
    const terms = [...container.querySelectorAll<HTMLElement>("[data-column]")];
    expect(terms.map((one) => one.dataset.column)).toEqual(["ofi_l1", "spread"]);
    expect(container.querySelector("tfoot")?.textContent).toContain("+0.375");
    expect(container.querySelector("aside header")?.textContent).toContain("#41");
  });

  it("say in a sentence that none could be had, and close with Escape", async () => {
    const { decision, container } = shown(SAID, () => Promise.reject(new Error("It is too old.")));
    fireEvent.click(decision());
    expect((await screen.findByRole("alert")).textContent).toBe("It is too old.");
    fireEvent.keyDown(document, { key: "Escape" });
    expect(container.querySelector("aside")).toBeNull();
  });

  it("never show what a program says of itself", async () => {
    const { decision } = shown(SAID, () => Promise.reject(new SyntaxError("Unexpected end")));
    fireEvent.click(decision());
    expect((await screen.findByRole("alert")).textContent).toMatch(/could not be asked/);
  });

  it("tell of a model without exact contributions that there are none", async () => {
    const { decision } = shown(SAID, () => Promise.resolve({ ...WHY, contributions: {} }));
    fireEvent.click(decision());
    expect(await screen.findByText(/No exact contributions are known/)).toBeTruthy();
  });
});
