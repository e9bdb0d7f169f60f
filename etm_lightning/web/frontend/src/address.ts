/** Puts another address into the bar without a step in the history: `#/…`. */
export function replaceAddress(address: string): void {
  try {
    history.replaceState(history.state, "", address);
  } catch {
    // a frame of a notebook has no address of its own, but it has a hash
    if (location.hash !== address) location.hash = address;
  }
}

/** In a frame without an address links to a hash would lead to the page around it: go there ourselves. */
export function keepLinksInside(page: Document = document): void {
  if (location.protocol !== "about:") return;
  page.addEventListener("click", (event) => {
    const link = (event.target as Element).closest('a[href^="#"]');
    if (!link || event.defaultPrevented) return;
    event.preventDefault();
    location.hash = link.getAttribute("href") as string;
  });
}
