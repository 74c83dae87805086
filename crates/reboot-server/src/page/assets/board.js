"use strict";
// The page is whole without this. With it, the board is drawn anew whenever the fleet changes.
(() => {
  const base = document.body.dataset.base;
  const board = document.getElementById("board");
  const live = document.getElementById("live");
  const PAUSE_MS = 1000;
  const AGAIN_MS = 5000;
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));

  const age = (secs) => {
    if (secs < 120) return `${Math.max(0, Math.floor(secs))} s`;
    if (secs < 7200) return `${Math.floor(secs / 60)} min`;
    if (secs < 172800) return `${Math.floor(secs / 3600)} h`;
    return `${Math.floor(secs / 86400)} d`;
  };

  const tick = () => {
    for (const time of board.querySelectorAll("time[title]")) {
      const at = Date.parse(time.dateTime);
      if (!Number.isNaN(at)) time.textContent = age((Date.now() - at) / 1000);
    }
  };

  const folds = () => [...board.querySelectorAll("details[id]")].map((it) => [it.id, it.open]);

  // Who is writing into a form is not interrupted.
  const isBusy = () => board.contains(document.activeElement) && document.activeElement.matches("input");

  const draw = (html) => {
    const focused = document.activeElement && document.activeElement.id;
    const before = folds();
    board.innerHTML = html;
    for (const [id, open] of before) document.getElementById(id)?.toggleAttribute("open", open);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    live.textContent = `live, as of ${document.getElementById("state").dataset.now}`;
  };

  const follow = async () => {
    for (;;) {
      const seen = document.getElementById("state").dataset.revision;
      try {
        const answer = await fetch(`${base}/board?seen=${seen}`, { cache: "no-store" });
        if (answer.status === 200) {
          const html = await answer.text();
          while (isBusy()) await wait(PAUSE_MS);
          draw(html);
        } else if (answer.status !== 204) {
          throw new Error(answer.statusText);
        }
        await wait(PAUSE_MS);
      } catch {
        live.textContent = "the server does not answer: this is old";
        await wait(AGAIN_MS);
      }
    }
  };

  setInterval(tick, 1000);
  follow();
})();
