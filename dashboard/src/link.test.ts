import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { base64url, type Connection, createLink, type Denial, KEY } from "./link";
import { lines } from "./testing/line";

const heard: unknown[] = [];
let link: Connection;

function begin(denial?: Denial) {
  const made = lines(denial);
  link = createLink({ ...made.options, heard: (data) => heard.push(data) });
  return made;
}

beforeEach(() => {
  vi.useFakeTimers();
  heard.length = 0;
});
afterEach(() => {
  link.close();
  vi.useRealTimers();
});

test("it is open once something was heard", () => {
  const { newest } = begin();
  expect(link.link().phase).toBe("connecting");
  expect(link.send({ marks: 1 })).toBe(false);

  newest().open();
  newest().say({ topic: "hello" });

  expect(link.link().phase).toBe("open");
  expect(heard).toEqual(['{"topic":"hello"}']);
  expect(link.send({ marks: 1 })).toBe(true);
  expect(newest().sent).toEqual([{ marks: 1 }]);
  expect(newest().protocols).toEqual(["flowsense.board.v1"]);
});

test("it comes back after .25, .5, 1 and 1 s, and at once again after it was understood", async () => {
  const { all, newest } = begin();
  const waited: number[] = [];
  for (let k = 0; k < 4; k++) {
    newest().end();
    const before = all.length;
    let ms = -1;
    while (all.length === before && ms++ < 2_000) await vi.advanceTimersByTimeAsync(1);
    waited.push(ms + 1);
  }
  expect(waited).toEqual([250, 500, 1_000, 1_000]);
  expect(link.link()).toMatchObject({ phase: "lost", why: "The server does not answer." });

  newest().open();
  newest().say({});
  link.welcome();
  newest().end(1001, "The server stops.");
  expect(link.link()).toMatchObject({ phase: "lost", why: "The server stops." });
  await vi.advanceTimersByTimeAsync(250);
  expect(all).toHaveLength(6);
});

test("after a second and a half of silence what is shown is stale, and says how old it is", () => {
  const { newest } = begin();
  vi.advanceTimersByTime(3_000);
  expect(link.stale()).toBe(false); // nothing is shown yet

  newest().say({});
  vi.advanceTimersByTime(1_500);
  expect(link.stale()).toBe(false);
  vi.advanceTimersByTime(500);
  expect([link.stale(), link.age() >= 1_750]).toEqual([true, true]);

  newest().say({});
  expect([link.stale(), link.age()]).toEqual([false, 0]);
});

test("a connection on which nothing is said any more is given up", async () => {
  const { all, newest } = begin();
  newest().open();
  newest().say({});
  const old = newest();

  await vi.advanceTimersByTimeAsync(4_600);

  expect(old.closed).toBe(true);
  expect(all).toHaveLength(2);
  old.end(); // the browser tells of it late
  expect(link.link().why).toBe("The server says nothing.");
});

test("a server that asks for a key is not asked again until there is one", async () => {
  const { all, newest, options } = begin({ status: 401, message: "A key is needed." });
  newest().end();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(all).toHaveLength(1);
  expect(link.link()).toMatchObject({ phase: "refused", why: "A key is needed." });

  link.unlock("käy");

  expect(newest().protocols).toEqual(["flowsense.board.v1", `flowsense.key.${base64url("käy")}`]);
  expect(link.headers()).toEqual({ authorization: "Bearer käy" });
  newest().end();
  await vi.advanceTimersByTimeAsync(0);
  expect(link.link().phase).toBe("refused");
  expect(options.storage.getItem(KEY)).toBeNull();
});

test("a server that refuses the page is not asked again", async () => {
  const { all, newest } = begin();
  newest().open();
  newest().end(1008, "This is nothing that a page may ask.");
  await vi.advanceTimersByTimeAsync(5_000);

  expect(link.link()).toMatchObject({ why: "This is nothing that a page may ask." });
  expect(all).toHaveLength(1);
});

test("a server that is full is tried again, and says so", async () => {
  const { all, newest } = begin({ status: 503, message: "There are too many pages." });
  newest().end();
  await vi.advanceTimersByTimeAsync(300);

  expect(link.link()).toMatchObject({ phase: "lost", why: "There are too many pages." });
  expect(all).toHaveLength(2);
});

test("letters of a key are those that a subprotocol may have", () => {
  expect(base64url("ab?>~")).toBe("YWI_Pn4");
  expect(base64url("k")).toBe("aw");
});
