// The next value of a series, from the values so far: exponential smoothing, and as head-room the greatest of its own latest errors. Each error
// is of a forecast that had not seen the value, so what is reported was held out. docs/scheduler.md says what else was tried.

/** Values before there is a forecast, as AutoLoc's. */
const SAMPLES_MIN = 10;
/** Of the newest value. */
const SMOOTHING = 0.2;
/** Errors that are remembered: of values that are alike the next passes the greatest of so many once in 41 times. */
const ERRORS = 40;

export class StepForecast {
  #level = 0;
  #samples = 0;
  readonly #errors = new Float64Array(ERRORS);
  #absoluteErrors = 0;
  #values = 0;

  add(value: number): void {
    if (this.#samples === 0) this.#level = value;
    const error = value - this.#level;
    this.#errors[this.#samples % ERRORS] = error;
    this.#level += SMOOTHING * error;
    this.#samples++;
    this.#absoluteErrors += Math.abs(error);
    this.#values += Math.abs(value);
  }

  /** What the next value will hardly pass; null until enough are known. */
  get upper(): number | null {
    return this.#samples < SAMPLES_MIN ? null : this.#level + Math.max(0, ...this.#errors);
  }

  /** Mean of |error| ÷ mean of the values; null while there are none, or nothing but zeros. */
  get error(): number | null {
    return this.#values === 0 ? null : this.#absoluteErrors / this.#values;
  }
}
