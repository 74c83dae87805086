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

  const shut = () => [...board.querySelectorAll("details:not([open])")].map((it) => it.id);

  const draw = (html) => {
    const focused = document.activeElement && document.activeElement.id;
    const closed = shut();
    board.innerHTML = html;
    for (const id of closed) document.getElementById(id)?.removeAttribute("open");
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    live.textContent = `live, as of ${document.getElementById("state").dataset.now}`;
  };

  const follow = async () => {
    for (;;) {
      const seen = document.getElementById("state").dataset.revision;
      try {
        const answer = await fetch(`${base}/board?seen=${seen}`, { cache: "no-store" });
        if (answer.status === 200) draw(await answer.text());
        else if (answer.status !== 204) throw new Error(answer.statusText);
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
