// Other ways to forecast the next value of a series, and how well each did on series that it sees value by value.

import { StepForecast } from "#scheduler/reallocation/step-forecast.ts";

interface Forecast {
  add(value: number): void;
  /** null: too little is known. */
  readonly upper: number | null;
}

const SAMPLES_MIN = 10;
/** AutoLoc keeps so many. */
const HISTORY = 20;
const ERRORS = 40;
/** Of what is not passed: as many as the greatest of 40 errors covers. */
const COVERED = ERRORS / (ERRORS + 1);

/** A point forecast from the latest values, as it is, or with the greatest of its latest errors on top. */
class FromHistory implements Forecast {
  readonly #next: (history: readonly number[]) => number;
  readonly #hasHeadRoom: boolean;
  readonly #history: number[] = [];
  readonly #errors: number[] = [];
  #point: number | null = null;

  constructor(next: (history: readonly number[]) => number, hasHeadRoom: boolean) {
    this.#next = next;
    this.#hasHeadRoom = hasHeadRoom;
  }

  add(value: number): void {
    if (this.#point !== null) this.#errors.push(value - this.#point);
    this.#history.push(value);
    if (this.#history.length > HISTORY) this.#history.shift();
    if (this.#errors.length > ERRORS) this.#errors.shift();
    this.#point = this.#history.length < 2 ? value : this.#next(this.#history);
  }

  get upper(): number | null {
    if (this.#point === null || this.#history.length < SAMPLES_MIN) return null;
    return this.#point + (this.#hasHeadRoom ? Math.max(0, ...this.#errors) : 0);
  }
}

const last = (history: readonly number[]): number => history.at(-1) ?? 0;

const most = (history: readonly number[]): number => Math.max(...history);

/** statsmodels' SARIMAX as AutoLoc has it, in its default order: AR(1) without a constant. By least squares. */
function autoregressive(history: readonly number[]): number {
  let [products, squares] = [0, 0];
  for (let index = 1; index < history.length; index++) {
    products += history[index]! * history[index - 1]!;
    squares += history[index - 1]! ** 2;
  }
  return squares === 0 ? 0 : (products / squares) * last(history);
}

const GRID = Array.from({ length: 19 }, (_, index) => (index - 9) / 10);

/** ARIMA(1,1,1), which AutoLoc tried as well; the least conditional sum of squares on a grid of both parameters. */
function arima(history: readonly number[]): number {
  const steps = history.slice(1).map((value, index) => value - history[index]!);
  let best = { squares: Infinity, next: 0 };
  for (const phi of GRID) {
    for (const theta of GRID) {
      let [error, squares] = [0, 0];
      for (let index = 1; index < steps.length; index++) {
        error = steps[index]! - phi * steps[index - 1]! - theta * error;
        squares += error ** 2;
      }
      if (squares < best.squares) best = { squares, next: phi * last(steps) + theta * error };
    }
  }
  return last(history) + best.next;
}

export const FORECASTS: Readonly<Record<string, () => Forecast>> = {
  "smoothing with head-room (ours)": () => new StepForecast(),
  "AutoLoc's, AR(1) as it is": () => new FromHistory(autoregressive, false),
  "AR(1) with head-room": () => new FromHistory(autoregressive, true),
  "ARIMA(1,1,1) with head-room": () => new FromHistory(arima, true),
  "the last value with head-room": () => new FromHistory(last, true),
  "the most of the last 20": () => new FromHistory(most, false),
};

export interface Quality {
  /** Quantile loss at the share that is to be covered, ÷ what was used: what is too little counts forty times what is too much. */
  readonly loss: number;
  /** Of values that were above what was forecast. */
  readonly passed: number;
  /** Forecast ÷ used. */
  readonly reserved: number;
}

/** `limit`: nobody is granted more, and what is used beyond it between two looks is not lacking. */
export function qualityOf(make: () => Forecast, series: readonly (readonly number[])[], limit: number): Quality {
  let [loss, used, reserved, passed, count] = [0, 0, 0, 0, 0];
  for (const values of series) {
    const forecast = make();
    for (const wanted of values) {
      const value = Math.min(limit, wanted);
      const { upper } = forecast;
      if (upper !== null) {
        const granted = Math.min(limit, Math.max(0, upper));
        const lacks = Math.max(0, value - granted);
        loss += COVERED * lacks + (1 - COVERED) * Math.max(0, granted - value);
        used += value;
        reserved += granted;
        passed += lacks > 1e-9 ? 1 : 0;
        count++;
      }
      forecast.add(wanted);
    }
  }
  return { loss: loss / used, passed: passed / count, reserved: reserved / used };
}
