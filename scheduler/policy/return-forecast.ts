// When a function that has been idle for a while will be called again, and whether starting an instance just before is worth it.
//
// A return is a call that finds the function idle for longer than keeping an instance could be cheaper than starting one. The time from one
// return to the next is forecast in several ways, each found in periodic loads: as the median of the last few (one period), and as what it
// was k returns ago (a pattern of k different pauses), which is the seasonal naive forecast. Each way's errors over the last returns are
// errors on what it had not seen. From them follow the window around the forecast in which an instance should be ready and what a return
// would then have cost; the cheapest way is used. What its forecasts come to is judged by the returns that follow, and by that alone it is
// decided whether they are followed: a forecast that does no good falls back to the plain keep-alive by itself.

/** Returns that are remembered. Chosen: the longest pattern three times, and old habits are soon forgotten. */
const RETURNS_MAX = 16;
/** Numbers that are saved of a function: four beside these. */
export const SAVED_RETURNS_MAX = RETURNS_MAX + 4;
/** Fewer errors than these tell nothing. */
const ERRORS_MIN = 4;
const LAGS = 4;
const MEDIAN_OF = 9;
/** How many errors a window may leave out at either end. */
const LEFT_OUT = [0, 1, 3, 6];
/** Ways and windows are weighed anew after one return in so many, once there were many. */
const WEIGH_EVERY = 16;
/** Forecasts that must have met what came before one is followed, and over how many the mean of what they came to goes. */
const JUDGED_MIN = 3;
const JUDGED_MAX = 12;
/** Windows are weighed at a price of waiting of at least so many times the instance's memory: at less they are no use to anyone. */
const PRICE_MIN = 10;

/** Reused: errors in order, and the last intervals in order. */
const errors = new Float64Array(RETURNS_MAX);
const ordered = new Float64Array(MEDIAN_OF);

export class ReturnForecast {
  /** From return to return, in a ring, and what the median of those before missed each by (NaN where there was none). */
  readonly #intervals = new Float64Array(RETURNS_MAX);
  readonly #medianErrors = new Float64Array(RETURNS_MAX).fill(NaN);
  #count = 0;
  #lastMs = NaN;
  /** 0: the median; else the lag. */
  #way = 0;
  #isUseful = false;
  #fromMs = 0;
  #toMs = 0;
  #weighAt = 0;
  #judged = 0;
  #hits = 0;
  #outOfTurn = false;
  /** When the next return is expected; NaN where nothing is forecast. */
  expectedMs = NaN;
  /** When an instance is to be ready for it, and until when it is kept. */
  readyMs = NaN;
  untilMs = NaN;
  /** Per return, as it turned out: how long an instance was held, starts included, and what was waited. */
  heldSeconds = 0;
  waitedSeconds = 0;
  /** Mean of |error| ÷ interval. */
  relativeError: number | null = null;

  /** `saved` of before a restart: intervals and judgement, and the error; when the last return was is not known any more. */
  constructor(saved: readonly number[] = [], relativeError: number | null = null) {
    const [judged = 0, hits = 0, heldSeconds = 0, waitedSeconds = 0, ...intervals] = saved;
    this.#judged = judged;
    this.#hits = hits;
    this.heldSeconds = heldSeconds;
    this.waitedSeconds = waitedSeconds;
    this.relativeError = relativeError;
    for (const intervalMs of intervals.slice(-RETURNS_MAX)) this.#add(intervalMs);
  }

  save(): readonly number[] {
    const intervals: number[] = [];
    for (let at = Math.max(0, this.#count - RETURNS_MAX); at < this.#count; at++) {
      intervals.push(this.#intervals[at % RETURNS_MAX]!);
    }
    return [this.#judged, this.#hits, this.heldSeconds, this.waitedSeconds, ...intervals];
  }

  /** Enough forecasts have met what came. */
  get isJudged(): boolean {
    return this.#judged >= JUDGED_MIN;
  }

  /** A return came. */
  returned(nowMs: number, startMs: number, memoryGb: number, price: number): void {
    if (this.expectedMs === this.expectedMs) {
      this.#judge(nowMs, startMs);
      // One that comes out of turn does not change when the next is due; a second in a row does.
      const isEarly = nowMs < this.readyMs - startMs;
      if (isEarly && this.#hits > 0.5 && !this.#outOfTurn) {
        this.#outOfTurn = true;
        return;
      }
    }
    this.#outOfTurn = false;
    if (this.#lastMs === this.#lastMs) {
      this.#add(nowMs - this.#lastMs);
      if (this.#count >= this.#weighAt) {
        this.#weighAt = this.#count + Math.min(WEIGH_EVERY, 1 + (this.#count >> 3));
        this.#weigh(startMs, memoryGb, Math.max(price, PRICE_MIN * memoryGb));
      }
    }
    this.#lastMs = nowMs;
    const intervalMs = this.#way === 0 ? this.#medianMs() : this.#intervals[(this.#count - this.#way) % RETURNS_MAX]!;
    this.expectedMs = this.#isUseful ? nowMs + intervalMs : NaN;
    this.readyMs = this.expectedMs + this.#fromMs;
    this.untilMs = this.expectedMs + this.#toMs;
  }

  #add(intervalMs: number): void {
    const at = this.#count % RETURNS_MAX;
    this.#medianErrors[at] = intervalMs - this.#medianMs();
    this.#intervals[at] = intervalMs;
    this.#count++;
  }

  /** What the forecast would have come to, had it been followed: it had not seen this return. */
  #judge(nowMs: number, startMs: number): void {
    const { expectedMs, readyMs, untilMs } = this;
    const error = Math.min(1, Math.abs(nowMs - expectedMs) / Math.max(1, nowMs - this.#lastMs));
    const weight = 1 / Math.min(++this.#judged, JUDGED_MAX);
    const errorSoFar = this.relativeError ?? error;
    this.relativeError = errorSoFar + (error - errorSoFar) * weight;
    let [heldMs, waitedMs, hit] = [startMs, 0, 1];
    if (nowMs < readyMs - startMs) [waitedMs, hit] = [startMs, 0];
    else if (nowMs < readyMs) waitedMs = readyMs - nowMs;
    else if (nowMs <= untilMs) heldMs += nowMs - readyMs;
    else [heldMs, waitedMs, hit] = [2 * startMs + untilMs - readyMs, startMs, 0];
    this.#hits += (hit - this.#hits) * weight;
    this.heldSeconds += (heldMs / 1e3 - this.heldSeconds) * weight;
    this.waitedSeconds += (waitedMs / 1e3 - this.waitedSeconds) * weight;
  }

  /** Of the last few intervals; NaN where there is none. */
  #medianMs(): number {
    const length = Math.min(MEDIAN_OF, this.#count);
    for (let index = 0; index < length; index++) {
      insert(ordered, index, this.#intervals[(this.#count - 1 - index) % RETURNS_MAX]!);
    }
    return length === 0 ? NaN : ordered[length >> 1]!;
  }

  #weigh(startMs: number, memoryGb: number, price: number): void {
    this.#isUseful = false;
    this.#way = 0;
    // Not worth more than the start that it saves.
    let least = ((memoryGb + price) * startMs) / 1e3;
    const first = Math.max(0, this.#count - RETURNS_MAX);
    for (let way = 0; way <= LAGS; way++) {
      let length = 0;
      for (let at = first + Math.max(1, way); at < this.#count; at++) {
        const index = at % RETURNS_MAX;
        const error =
          way === 0 ? this.#medianErrors[index]! : this.#intervals[index]! - this.#intervals[(at - way) % RETURNS_MAX]!;
        if (error === error) insert(errors, length++, error);
      }
      if (length >= ERRORS_MIN) least = this.#tryWindows(way, length, startMs, memoryGb, price, least);
    }
  }

  /** Windows around the first `length` of `errors`: takes the one that costs less than `before`, if any does. The least cost by now. */
  #tryWindows(way: number, length: number, startMs: number, memoryGb: number, price: number, before: number): number {
    const missCost = ((memoryGb + price) * startMs) / 1e3;
    const middle = errors[length >> 1]!;
    let least = before;
    for (const left of LEFT_OUT) {
      for (const right of LEFT_OUT) {
        if (left + right > length / 2) break;
        let spreadMs = 0;
        for (let at = left; at < length - right; at++) spreadMs += Math.abs(errors[at]! - middle);
        spreadMs = Math.max(1, spreadMs / (length - left - right));
        // Beyond what was seen lies one error in so many at either end, the rarer the further: exponentially, as the errors' spread says.
        // Each ms earlier is held at every return, each ms later only where none comes; that far does either pay.
        const gain = (missCost * 1e3) / (memoryGb * spreadMs);
        const fromMs = errors[left]! - spreadMs * Math.max(0, Math.log(gain / (length + 1)));
        const toMs = errors[length - 1 - right]! + spreadMs * Math.max(0, Math.log(gain));
        // The next may not come at all.
        let held = startMs + toMs - fromMs;
        let waited = 0;
        for (let at = 0; at < length; at++) {
          const error = errors[at]!;
          if (error > toMs) {
            held += 2 * startMs + toMs - fromMs;
            waited += startMs;
          } else {
            held += startMs + Math.max(0, error - fromMs);
            waited += Math.min(startMs, Math.max(0, fromMs - error));
          }
        }
        const cost = (memoryGb * held + price * waited) / ((length + 1) * 1e3);
        if (cost >= least) continue;
        least = cost;
        this.#isUseful = true;
        this.#way = way;
        this.#fromMs = fromMs;
        this.#toMs = toMs;
      }
    }
    return least;
  }
}

/** Into the first `length` of an array in order. */
function insert(array: Float64Array, length: number, value: number): void {
  let at = length;
  while (at > 0 && array[at - 1]! > value) {
    array[at] = array[at - 1]!;
    at--;
  }
  array[at] = value;
}
