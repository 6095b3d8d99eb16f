// The small linear programme behind a plan, solved exactly: many variables between bounds, a handful of rows, and one variable by
// which all rows may be overstepped. First that overstepping is made as small as can be, then the cost. Called by
// `optimal-shares.ts`; knows nothing of functions and pools.

/** `weights · x ≤ bound + relief × reliefWeight` */
export interface Row {
  readonly weights: Float64Array;
  readonly bound: number;
  /** Above 0. */
  readonly reliefWeight: number;
}

/** Minimise `relief` first, `costs · x` second, subject to the rows and `lower ≤ x ≤ upper`. All lengths agree. */
export interface Programme {
  readonly costs: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
  /** At least one; each iteration inverts a matrix of this size. */
  readonly rows: readonly Row[];
}

export interface Solution {
  readonly x: Float64Array;
  /** 0 where the rows hold as they are. */
  readonly relief: number;
}

/** Below this a reduced cost, a pivot or a step is 0. The programme should be scaled so that its figures are about 1. */
const EPSILON = 1e-10;
/** After so many steps without progress the choice of the smallest index (Bland, 1977) makes sure that none comes twice. */
const STALLS_MAX = 20;
/** The simplex method ends by itself; a limit says so when rounding keeps it from doing so. */
const STEPS_PER_VARIABLE_MAX = 50;

/**
 * The primal simplex method for bounded variables (Dantzig, Linear Programming and Extensions, 1963, ch. 18). A step costs
 * variables × rows. `start`, where each variable should begin, is rounded to its nearer bound: a good one saves steps.
 */
export function solve(programme: Programme, start?: Float64Array): Solution {
  const tableau = new Tableau(programme, start);
  const { reliefColumn } = tableau;
  tableau.minimise((column) => (column === reliefColumn ? 1 : 0));
  tableau.holdRelief();
  tableau.minimise((column) => programme.costs[column] ?? 0);
  return { x: tableau.values().slice(0, programme.costs.length), relief: Math.max(0, tableau.relief) };
}

/** Columns: the variables, then the relief, then the slack of each row. */
class Tableau {
  readonly reliefColumn: number;
  readonly #rows: readonly Row[];
  readonly #lower: Float64Array;
  readonly #upper: Float64Array;
  /** Of columns outside of the basis: whether they are at their upper bound. */
  readonly #atUpper: Uint8Array;
  readonly #isBasic: Uint8Array;
  /** The columns of the basis, and their values. */
  readonly #basis: number[] = [];
  #basicValues: number[] = [];

  constructor({ costs, lower, upper, rows }: Programme, start: Float64Array | undefined) {
    const variables = costs.length;
    const columns = variables + 1 + rows.length;
    this.reliefColumn = variables;
    this.#rows = rows;
    this.#lower = new Float64Array(columns);
    this.#lower.set(lower);
    this.#upper = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    this.#upper.set(upper);
    this.#atUpper = new Uint8Array(columns);
    this.#isBasic = new Uint8Array(columns);
    for (let column = 0; column < variables; column++) {
      const [low, high] = [lower[column]!, upper[column]!];
      this.#atUpper[column] = (start?.[column] ?? low) > (low + high) / 2 ? 1 : 0;
    }
    this.#begin();
  }

  /** Every slack is basic, but that of the row that is overstepped most, where the relief is. */
  #begin(): void {
    const excess = this.#rows.map(({ weights, bound, reliefWeight }) => {
      let sum = -bound;
      for (let column = 0; column < this.reliefColumn; column++) sum += weights[column]! * this.#outside(column);
      return sum / reliefWeight;
    });
    const worst = excess.reduce((best, value, row) => (value > (excess[best] ?? 0) ? row : best), 0);
    const overstepped = (excess[worst] ?? 0) > 0;
    this.#rows.forEach((_, row) => {
      const column = overstepped && row === worst ? this.reliefColumn : this.reliefColumn + 1 + row;
      this.#basis.push(column);
      this.#isBasic[column] = 1;
    });
    this.#basicValues = this.#solveBasis(this.#inverse());
  }

  get relief(): number {
    const row = this.#basis.indexOf(this.reliefColumn);
    return row >= 0 ? this.#basicValues[row]! : this.#outside(this.reliefColumn);
  }

  /** From here on it may not grow. */
  holdRelief(): void {
    this.#upper[this.reliefColumn] = Math.max(0, this.relief);
  }

  values(): Float64Array {
    const values = Float64Array.from(this.#lower, (_, column) => this.#outside(column));
    this.#basis.forEach((column, row) => {
      values[column] = clamp(this.#basicValues[row]!, this.#lower[column]!, this.#upper[column]!);
    });
    return values;
  }

  minimise(costOf: (column: number) => number): void {
    const columns = this.#lower.length;
    let stalls = 0;
    for (let step = 0; step < STEPS_PER_VARIABLE_MAX * columns; step++) {
      const inverse = this.#inverse();
      const prices = inverse[0]!.map((_, row) =>
        this.#basis.reduce((sum, column, index) => sum + costOf(column) * inverse[index]![row]!, 0),
      );
      const entering = this.#entering(costOf, prices, stalls > STALLS_MAX);
      if (entering < 0) {
        this.#basicValues = this.#solveBasis(inverse);
        return;
      }
      stalls = this.#step(entering, inverse, stalls > STALLS_MAX) > EPSILON ? 0 : stalls + 1;
    }
    throw new Error(`the simplex method took more than ${STEPS_PER_VARIABLE_MAX} steps for each of ${columns} columns`);
  }

  /** The column whose change lowers the cost most per unit, or with `first` the first that lowers it; -1: none does. */
  #entering(costOf: (column: number) => number, prices: readonly number[], first: boolean): number {
    let best = -1;
    let bestGain = EPSILON;
    for (let column = 0; column < this.#lower.length; column++) {
      if (this.#isBasic[column] === 1 || this.#upper[column] === this.#lower[column]) continue;
      let reduced = costOf(column);
      for (let row = 0; row < prices.length; row++) reduced -= prices[row]! * this.#entry(row, column);
      const gain = this.#atUpper[column] === 1 ? reduced : -reduced;
      if (gain <= bestGain) continue;
      best = column;
      if (first) break;
      bestGain = gain;
    }
    return best;
  }

  /** Moves a column as far as bounds allow: to its other bound, or into the basis in place of what reached its own. The step's length. */
  #step(entering: number, inverse: readonly (readonly number[])[], smallestIndex: boolean): number {
    const direction = this.#atUpper[entering] === 1 ? -1 : 1;
    const change = inverse.map(
      (line) => -direction * line.reduce((sum, factor, row) => sum + factor * this.#entry(row, entering), 0),
    );
    let length = this.#upper[entering]! - this.#lower[entering]!;
    let leaving = -1;
    this.#basis.forEach((column, row) => {
      const rate = change[row]!;
      if (Math.abs(rate) <= EPSILON) return;
      const limit = rate < 0 ? this.#lower[column]! : this.#upper[column]!;
      const reach = Math.max(0, (limit - this.#basicValues[row]!) / rate);
      if (reach > length + EPSILON) return;
      const tied = Math.abs(reach - length) <= EPSILON && leaving >= 0;
      const preferred = smallestIndex
        ? column < (this.#basis[leaving] ?? Infinity)
        : Math.abs(rate) > Math.abs(change[leaving] ?? 0);
      if (tied && !preferred) return;
      length = Math.min(length, reach);
      leaving = row;
    });
    this.#basicValues = this.#basicValues.map((value, row) => value + change[row]! * length);
    if (leaving < 0) {
      this.#atUpper[entering] = 1 - this.#atUpper[entering]!;
      return length;
    }
    const left = this.#basis[leaving]!;
    this.#isBasic[left] = 0;
    this.#atUpper[left] = change[leaving]! > 0 ? 1 : 0;
    this.#basicValues[leaving] = this.#outside(entering) + direction * length;
    this.#basis[leaving] = entering;
    this.#isBasic[entering] = 1;
    return length;
  }

  /** The value of a column outside of the basis. */
  #outside(column: number): number {
    return this.#atUpper[column] === 1 ? this.#upper[column]! : this.#lower[column]!;
  }

  #entry(row: number, column: number): number {
    if (column < this.reliefColumn) return this.#rows[row]!.weights[column]!;
    if (column === this.reliefColumn) return -this.#rows[row]!.reliefWeight;
    return column - this.reliefColumn - 1 === row ? 1 : 0;
  }

  #solveBasis(inverse: readonly (readonly number[])[]): number[] {
    const rest = this.#rows.map(({ bound }, row) => {
      let sum = bound;
      for (let column = 0; column < this.#lower.length; column++) {
        if (this.#isBasic[column] === 0) sum -= this.#entry(row, column) * this.#outside(column);
      }
      return sum;
    });
    return inverse.map((line) => line.reduce((sum, factor, row) => sum + factor * rest[row]!, 0));
  }

  /** Of the basis: Gauss and Jordan with the largest pivot. */
  #inverse(): number[][] {
    const size = this.#rows.length;
    const matrix = this.#rows.map((_, row) => [
      ...this.#basis.map((column) => this.#entry(row, column)),
      ...this.#rows.map((__, other) => (other === row ? 1 : 0)),
    ]);
    for (let at = 0; at < size; at++) {
      const below = matrix.slice(at).map((line) => Math.abs(line[at]!));
      const pivotRow = at + below.indexOf(Math.max(...below));
      [matrix[at], matrix[pivotRow]] = [matrix[pivotRow]!, matrix[at]!];
      const pivot = matrix[at]!;
      const scale = 1 / pivot[at]!;
      for (let index = 0; index < pivot.length; index++) pivot[index]! *= scale;
      for (const line of matrix) {
        const factor = line[at]!;
        if (line === pivot || factor === 0) continue;
        for (let index = 0; index < line.length; index++) line[index]! -= factor * pivot[index]!;
      }
    }
    return matrix.map((line) => line.slice(size));
  }
}

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));
