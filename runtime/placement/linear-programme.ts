// The small linear programme behind a plan, solved exactly: many variables between bounds, a handful of rows,
// and one variable, the relief, by which all rows may be exceeded. The relief is minimised first, then the cost.

/** `weights · x ≤ bound + relief` */
interface Row {
  readonly weights: Float64Array;
  readonly bound: number;
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
  /** 0 if the rows hold as they are. */
  readonly relief: number;
}

/** Smaller reduced costs, pivots and steps are 0. Costs and weights should be scaled to about 1. */
const EPSILON = 1e-10;
/** A value this close to its bound is at it: rounding must not make a split of it. */
const ROUNDING = 1e-9;
/** The simplex method ends by itself, unless rounding prevents it. Then the solution may be short of the best. */
const STEPS_PER_VARIABLE_MAX = 50;

/**
 * The primal simplex method for bounded variables (Dantzig, Linear Programming and Extensions, 1963, ch. 18).
 * A step costs variables × rows. `start` is rounded to bounds: a good one saves steps.
 */
export function solve({ costs, lower, upper, rows }: Programme, start: ArrayLike<number> = lower): Solution {
  const relief = costs.length;
  const basis = new Basis(lower, upper, rows, start);
  basis.minimise(new Float64Array(relief + 1).with(relief, 1));
  basis.fixRelief();
  basis.minimise(costs);
  const values = basis.values();
  return { x: values.slice(0, relief), relief: Math.max(0, values[relief]!) };
}

/** Columns: the variables, then the relief, then the slack of each row. */
class Basis {
  readonly #relief: number;
  readonly #lower: Float64Array;
  readonly #upper: Float64Array;
  /** Of each row, the factors of all columns. */
  readonly #factors: readonly Float64Array[];
  readonly #bounds: readonly number[];
  /** 1: the column is outside of the basis, at its upper bound. */
  readonly #atUpper: Uint8Array;
  readonly #isBasic: Uint8Array;
  /** The columns of the basis, and their values. */
  readonly #columns: number[] = [];
  #values: number[] = [];
  /** By how much a unit of each column changes the cost. */
  readonly #reduced: Float64Array;

  constructor(lower: Float64Array, upper: Float64Array, rows: readonly Row[], start: ArrayLike<number>) {
    const variables = lower.length;
    const columns = variables + 1 + rows.length;
    this.#relief = variables;
    this.#lower = new Float64Array(columns);
    this.#lower.set(lower);
    this.#upper = new Float64Array(columns).fill(Infinity);
    this.#upper.set(upper);
    this.#bounds = rows.map(({ bound }) => bound);
    this.#factors = rows.map(({ weights }, row) => {
      const factors = new Float64Array(columns);
      factors.set(weights);
      factors[variables] = -1;
      factors[variables + 1 + row] = 1;
      return factors;
    });
    this.#atUpper = Uint8Array.from(this.#lower, (low, column) =>
      column < variables && start[column]! > (low + upper[column]!) / 2 ? 1 : 0,
    );
    this.#isBasic = new Uint8Array(columns);
    this.#reduced = new Float64Array(columns);
    this.#begin();
  }

  /** Every slack is basic, except in the row that is exceeded most: there the relief is. */
  #begin(): void {
    const free = this.#freeOf();
    const worst = free.indexOf(Math.min(...free));
    for (const row of this.#bounds.keys()) {
      const column = row === worst && free[row]! < 0 ? this.#relief : this.#relief + 1 + row;
      this.#columns.push(column);
      this.#isBasic[column] = 1;
    }
    this.#solve(this.#inverse());
  }

  /** From now on the relief may not grow. */
  fixRelief(): void {
    this.#upper[this.#relief] = Math.max(0, this.values()[this.#relief]!);
  }

  values(): Float64Array {
    const values = this.#lower.map((_, column) => this.#outside(column));
    for (const [row, column] of this.#columns.entries()) {
      const [value, lower, upper] = [this.#values[row]!, this.#lower[column]!, this.#upper[column]!];
      values[column] = value - lower < ROUNDING ? lower : upper - value < ROUNDING ? upper : value;
    }
    return values;
  }

  /** `costs`: of the first columns; the others cost nothing. */
  minimise(costs: Float64Array): void {
    const columns = this.#lower.length;
    for (let steps = 0; steps < STEPS_PER_VARIABLE_MAX * columns;) {
      const inverse = this.#inverse();
      this.#price(costs, inverse);
      const entering = this.#entering();
      if (entering.length === 0) break;
      // While the basis is the same, prices are: most columns only go from one bound to the other.
      for (const column of entering) {
        steps += 1;
        if (this.#enter(column, inverse)) break;
      }
    }
    this.#solve(this.#inverse());
  }

  /** What a unit of each column costs, less what it saves of the rows at the prices of the basis. */
  #price(costs: Float64Array, inverse: readonly (readonly number[])[]): void {
    const reduced = this.#reduced.fill(0);
    reduced.set(costs);
    for (const [row, factors] of this.#factors.entries()) {
      const price = this.#columns.reduce((sum, column, at) => sum + (costs[column] ?? 0) * inverse[at]![row]!, 0);
      if (price === 0) continue;
      for (let column = 0; column < factors.length; column++) reduced[column]! -= price * factors[column]!;
    }
  }

  /** The columns whose change lowers the cost, those that lower it most per unit first. */
  #entering(): readonly number[] {
    const columns: number[] = [];
    for (let column = 0; column < this.#lower.length; column++) {
      const isFixed = this.#isBasic[column] === 1 || this.#upper[column] === this.#lower[column];
      if (!isFixed && this.#gainOf(column) > EPSILON) columns.push(column);
    }
    return columns.toSorted((one, other) => this.#gainOf(other) - this.#gainOf(one));
  }

  #gainOf(column: number): number {
    return this.#atUpper[column] === 1 ? this.#reduced[column]! : -this.#reduced[column]!;
  }

  /** Moves a column as far as bounds allow: to its other bound, or into the basis. True: the basis changed. */
  #enter(entering: number, inverse: readonly (readonly number[])[]): boolean {
    const direction = this.#atUpper[entering] === 1 ? -1 : 1;
    // By how much the value of each column of the basis changes with the one that enters.
    const change = inverse.map((line) =>
      line.reduce((sum, factor, row) => sum - direction * factor * this.#factors[row]![entering]!, 0),
    );
    let length = this.#upper[entering]! - this.#lower[entering]!;
    let leaving = -1;
    for (const [row, column] of this.#columns.entries()) {
      const rate = change[row]!;
      if (Math.abs(rate) <= EPSILON) continue;
      const limit = rate < 0 ? this.#lower[column]! : this.#upper[column]!;
      const reach = Math.max(0, (limit - this.#values[row]!) / rate);
      const isTied = Math.abs(reach - length) <= EPSILON && leaving >= 0;
      // Of equals the largest pivot: the smallest rounding.
      if (reach > length + EPSILON || (isTied && Math.abs(rate) <= Math.abs(change[leaving]!))) continue;
      length = Math.min(length, reach);
      leaving = row;
    }
    for (let row = 0; row < change.length; row++) this.#values[row]! += change[row]! * length;
    if (leaving < 0) {
      this.#atUpper[entering] = 1 - this.#atUpper[entering]!;
      return false;
    }
    const left = this.#columns[leaving]!;
    this.#isBasic[left] = 0;
    this.#atUpper[left] = change[leaving]! > 0 ? 1 : 0;
    this.#values[leaving] = this.#outside(entering) + direction * length;
    this.#columns[leaving] = entering;
    this.#isBasic[entering] = 1;
    return true;
  }

  /** The value of a column outside of the basis. */
  #outside(column: number): number {
    return this.#atUpper[column] === 1 ? this.#upper[column]! : this.#lower[column]!;
  }

  /** What the columns outside of the basis leave of each row. */
  #freeOf(): readonly number[] {
    return this.#factors.map((factors, row) => {
      let free = this.#bounds[row]!;
      for (let column = 0; column < factors.length; column++) {
        if (this.#isBasic[column] === 0) free -= factors[column]! * this.#outside(column);
      }
      return free;
    });
  }

  #solve(inverse: readonly (readonly number[])[]): void {
    const free = this.#freeOf();
    this.#values = inverse.map((line) => line.reduce((sum, factor, row) => sum + factor * free[row]!, 0));
  }

  /** Of the basis: Gauss and Jordan with the largest pivot. */
  #inverse(): number[][] {
    const size = this.#factors.length;
    const matrix = this.#factors.map((factors, row) => [
      ...this.#columns.map((column) => factors[column]!),
      ...this.#factors.map((_, other) => (other === row ? 1 : 0)),
    ]);
    for (let at = 0; at < size; at++) {
      const below = matrix.slice(at).map((line) => Math.abs(line[at]!));
      const pivotRow = at + below.indexOf(Math.max(...below));
      [matrix[at], matrix[pivotRow]] = [matrix[pivotRow]!, matrix[at]!];
      const scale = 1 / matrix[at]![at]!;
      const pivot = matrix[at]!.map((value) => value * scale);
      matrix.forEach((line, row) => {
        const factor = line[at]!;
        matrix[row] = row === at ? pivot : line.map((value, index) => value - factor * pivot[index]!);
      });
    }
    return matrix.map((line) => line.slice(size));
  }
}
