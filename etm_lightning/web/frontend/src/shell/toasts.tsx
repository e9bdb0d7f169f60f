export interface Toast {
  id: number;
  text: string;
  kind: "good" | "bad";
}

export function Toasts({ toasts }: { toasts: Toast[] }) {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.map((one) => (
        <p key={one.id} class={one.kind}>
          {one.text}
        </p>
      ))}
    </div>
  );
}
