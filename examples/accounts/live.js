"use strict";

// Loads the table again, as this page's own user. Many changes at once are one request.
const loadAccounts = (() => {
  let waiting;
  const load = async () => {
    waiting = undefined;
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!response.ok || response.redirected) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const table = page.getElementById("accounts");
    if (table) document.getElementById("accounts").replaceWith(table);
  };
  return () => { waiting ??= setTimeout(load, 100 + Math.random() * 300); };
})();

const live = new EventSource("/accounts/live");
// Changes from before the stream began are in the table of the page or in this one.
for (const event of ["open", "change", "reset"]) live.addEventListener(event, loadAccounts);
