"use strict";
// The table follows what is typed; "/" goes to the search field. Without this, the form is sent.
(() => {
  const form = document.getElementById("filter");
  if (!form) return;
  let timer = 0;
  let latest = 0;
  const show = async () => {
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (!value) query.delete(name);
    const url = "?" + query;
    const mine = ++latest;
    try {
      const answer = await fetch(url);
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const rows = page.getElementById("rows");
      if (mine !== latest || !rows) return;
      document.getElementById("rows").replaceWith(rows);
      history.replaceState(null, "", url);
    } catch {
      // The server is away: what is shown stays, and the button still sends the form.
    }
  };
  const soon = (wait) => {
    clearTimeout(timer);
    timer = setTimeout(show, wait);
  };
  form.addEventListener("input", (event) => soon(event.target.type === "search" ? 120 : 0));
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    form.elements.q.focus();
  });
})();
