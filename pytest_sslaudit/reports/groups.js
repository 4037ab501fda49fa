// Puts a header above the rows of each check, whenever pytest-html has made its table: first, and after a filter or a
// click. A table that the user has sorted in another way has no groups.
(() => {
  const titles = JSON.parse(document.getElementById("sslaudit-titles").textContent);
  const isListed = (body) => ["failed", "error", "xfailed"].some((name) => body.classList.contains(name));
  const checkOf = (body) => body.querySelector("td.col-check")?.textContent ?? "";
  const kindOf = (body) => body.classList.contains("xfailed");

  const runsOf = (bodies) => {
    const runs = [];
    for (const body of bodies) {
      const last = runs.at(-1);
      const key = `${kindOf(body)} ${checkOf(body)}`;
      if (last?.key === key) last.count += 1;
      else runs.push({ key, check: checkOf(body), first: body, count: 1 });
    }
    return runs;
  };

  const headerOf = (run, columns) => {
    const body = document.createElement("tbody");
    const cell = document.createElement("th");
    const parts = [["code", run.check], ["span", Object.hasOwn(titles, run.check) ? titles[run.check] : ""], ["strong", run.count]];
    for (const [name, text] of parts) cell.appendChild(document.createElement(name)).textContent = text;
    cell.colSpan = columns;
    cell.scope = "rowgroup";
    body.className = "sslaudit-group";
    body.appendChild(document.createElement("tr")).appendChild(cell);
    return body;
  };

  const group = () => {
    const table = document.getElementById("results-table");
    if (!table || table.dataset.grouped) return;
    table.dataset.grouped = "yes";
    const runs = runsOf([...table.tBodies].filter(isListed)).filter((run) => run.check);
    if (new Set(runs.map((run) => run.key)).size < runs.length) return;
    const columns = table.tHead?.rows[0].cells.length ?? 1;
    for (const run of runs) run.first.before(headerOf(run, columns));
  };

  document.addEventListener("DOMContentLoaded", () => {
    group();
    new MutationObserver(group).observe(document.body, { childList: true, subtree: true });
  });
})();
