interface Props {
  steps: number[];
  step: number;
  label: string;
  onStep: (step: number) => void;
}

/** A slider with a notch for each step that there is. */
export function StepSlider({ steps, step, label, onStep }: Props) {
  return (
    <input
      class="step-slider"
      type="range"
      min={0}
      max={steps.length - 1}
      step={1}
      value={steps.indexOf(step)}
      aria-label={label}
      aria-valuetext={`step ${step}`}
      onInput={(event) => onStep(steps[Number(event.currentTarget.value)] as number)}
    />
  );
}
