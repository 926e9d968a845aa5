// The pages work without this script: it refreshes the parts that change, and copies commands.

const controls = (part) => [...part.querySelectorAll("a, button, [tabindex]")];

const refresh = async (part) => {
  // What a reader has selected must not vanish.
  const selection = document.getSelection();
  if (document.hidden || (!selection.isCollapsed && part.contains(selection.anchorNode))) return true;
  const answer = await fetch(part.dataset.live, { headers: { accept: "text/html" } });
  if (answer.status === 205 || answer.status === 401) {
    location.reload();
    return false;
  }
  if (answer.ok) {
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text();
    const own = fresh.content.querySelector("[data-live]");
    const focused = controls(part).indexOf(document.activeElement);
    part.replaceChildren(...(own ?? fresh.content).childNodes);
    controls(part)[focused]?.focus({ preventScroll: true });
    document.body.classList.remove("away");
    document.title = part.querySelector("[data-title]")?.dataset.title ?? document.title;
  }
  return true;
};

const keepFresh = (part) => {
  const again = async () => {
    let goOn = true;
    try {
      goOn = await refresh(part);
    } catch {
      document.body.classList.add("away"); // The console has ended, or the machine sleeps.
    }
    if (goOn) setTimeout(again, Number(part.dataset.every));
  };
  setTimeout(again, Number(part.dataset.every));
};

document.querySelectorAll("[data-live]").forEach(keepFresh);

// A trial takes seconds: the button that was pressed says so, and is not pressed twice.
document.addEventListener("submit", (event) => event.submitter?.setAttribute("aria-busy", "true"));

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = before), 1500);
});
