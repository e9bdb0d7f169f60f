/** Small signs for buttons; the buttons have the words. */

const PATHS = {
  pin: "M6 2h4l-.5 5 2.5 2H4l2.5-2zM8 9v5",
  full: "M2 6V2h4M10 2h4v4M14 10v4h-4M6 14H2v-4",
  close: "M3 3l10 10M13 3L3 13",
  more: "M3 8h.01M8 8h.01M13 8h.01",
  back: "M3 8a5 5 0 1 0 1.5-3.5L3 6M3 2.500v3.500h3.500",
  grip: "M6 3h.01M10 3h.01M6 8h.01M10 8h.01M6 13h.01M10 13h.01",
  link: "M6.500 9.500l3-3M7 5l2-2a2.800 2.800 0 0 1 4 4l-2 2M9 11l-2 2a2.800 2.800 0 0 1-4-4l2-2",
  list: "M6 4h8M6 8h8M6 12h8M2.500 4h.01M2.500 8h.01M2.500 12h.01",
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" class="icon">
      <path d={PATHS[name]} fill="none" stroke="currentColor" stroke-width={name === "more" || name === "grip" ? 2.2 : 1.4} stroke-linecap="round" stroke-linejoin="round" />
    </svg>
  );
}
