// The small linear programme behind a plan, solved exactly: many variables between bounds, a handful of rows, and one variable by
// which all rows may be overstepped. First that overstepping is made as small as can be, then the cost. Called by
// `optimal-shares.ts`; knows nothing of functions and pools.

/** `weights · x ≤ bound + relief × reliefWeight` */
interface Row {
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
/** A value this close to its bound is at it. */
const ROUNDING = 1e-9;
/** After so many steps without progress the choice of the smallest index (Bland, 1977) makes sure that none comes twice. */
const STALLS_MAX = 20;
/** The simplex method ends by itself, unless rounding keeps it from doing so: then it is content with what it has. */
const STEPS_PER_VARIABLE_MAX = 50;

/**
 * The primal simplex method for bounded variables (Dantzig, Linear Programming and Extensions, 1963, ch. 18). A step costs
 * variables × rows. `start`, where each variable should begin, is rounded to its nearer bound: a good one saves steps.
 */
export function solve(programme: Programme, start?: Float64Array): Solution {
  const tableau = new Tableau(programme, start);
  tableau.minimiseRelief();
  tableau.minimise(programme.costs);
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
  /** By how much a unit of each column changes the cost, at the prices of the basis. */
  readonly #reduced: Float64Array;
  /** By how much the value of each column of the basis changes with the one that enters. */
  readonly #change: Float64Array;

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
    this.#reduced = new Float64Array(columns);
    this.#change = new Float64Array(rows.length);
    for (let column = 0; column < variables; column++) {
      const low = lower[column]!;
      this.#atUpper[column] = (start?.[column] ?? low) > (low + upper[column]!) / 2 ? 1 : 0;
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

  /** From there on it may not grow. */
  minimiseRelief(): void {
    const costs = new Float64Array(this.#lower.length);
    costs[this.reliefColumn] = 1;
    this.minimise(costs);
    this.#upper[this.reliefColumn] = Math.max(0, this.relief);
  }

  values(): Float64Array {
    const values = this.#lower.slice();
    for (let column = 0; column < values.length; column++) values[column] = this.#outside(column);
    this.#basis.forEach((column, row) => {
      const [value, lower, upper] = [this.#basicValues[row]!, this.#lower[column]!, this.#upper[column]!];
      // Arithmetic errors must not make a split of what is at a bound.
      values[column] = value - lower < ROUNDING ? lower : upper - value < ROUNDING ? upper : value;
    });
    return values;
  }

  /** `costs`: of the first columns; the others cost nothing. */
  minimise(costs: Float64Array): void {
    const columns = this.#lower.length;
    let stalls = 0;
    for (let steps = 0; steps < STEPS_PER_VARIABLE_MAX * columns;) {
      const inverse = this.#inverse();
      this.#price(costs, inverse);
      const entering = this.#entering(stalls > STALLS_MAX);
      if (entering.length === 0) {
        this.#basicValues = this.#solveBasis(inverse);
        return;
      }
      // While the basis is the same, prices are: most columns only go from one bound to the other.
      for (const column of entering) {
        const { length, leaving } = this.#step(column, inverse, stalls > STALLS_MAX);
        stalls = length > EPSILON ? 0 : stalls + 1;
        steps += 1;
        if (leaving >= 0) break;
      }
    }
    this.#basicValues = this.#solveBasis(this.#inverse());
  }

  /** What a unit of each column costs, less what it saves of the rows at the prices of the basis. */
  #price(costs: Float64Array, inverse: readonly (readonly number[])[]): void {
    const reduced = this.#reduced.fill(0);
    reduced.set(costs);
    for (const [row, { weights, reliefWeight }] of this.#rows.entries()) {
      let price = 0;
      for (const [index, column] of this.#basis.entries()) price += (costs[column] ?? 0) * inverse[index]![row]!;
      if (price === 0) continue;
      for (let column = 0; column < weights.length; column++) reduced[column]! -= price * weights[column]!;
      reduced[this.reliefColumn]! += price * reliefWeight;
      reduced[this.reliefColumn + 1 + row]! -= price;
    }
  }

  /** The columns whose change lowers the cost, those that lower it most per unit first; or with `first` the first of them. */
  #entering(first: boolean): readonly number[] {
    const columns: number[] = [];
    for (let column = 0; column < this.#lower.length; column++) {
      if (this.#gainOf(column) <= EPSILON) continue;
      if (this.#isBasic[column] === 1 || this.#upper[column] === this.#lower[column]) continue;
      columns.push(column);
      if (first) break;
    }
    return columns.toSorted((one, other) => this.#gainOf(other) - this.#gainOf(one));
  }

  #gainOf(column: number): number {
    const reduced = this.#reduced[column]!;
    return this.#atUpper[column] === 1 ? reduced : -reduced;
  }

  /** Moves a column as far as bounds allow: to its other bound, or into the basis in place of what reached its own (-1: nothing did). */
  #step(
    entering: number,
    inverse: readonly (readonly number[])[],
    smallestIndex: boolean,
  ): { readonly length: number; readonly leaving: number } {
    const direction = this.#atUpper[entering] === 1 ? -1 : 1;
    const change = this.#change;
    for (let at = 0; at < change.length; at++) {
      const line = inverse[at]!;
      let sum = 0;
      for (let row = 0; row < line.length; row++) sum -= direction * line[row]! * this.#entry(row, entering);
      change[at] = sum;
    }
    let length = this.#upper[entering]! - this.#lower[entering]!;
    let leaving = -1;
    // Made for each variable that moves: without an object for each row.
    for (let row = 0; row < this.#basis.length; row++) {
      const column = this.#basis[row]!;
      const rate = change[row]!;
      if (Math.abs(rate) <= EPSILON) continue;
      const limit = rate < 0 ? this.#lower[column]! : this.#upper[column]!;
      const reach = Math.max(0, (limit - this.#basicValues[row]!) / rate);
      if (reach > length + EPSILON) continue;
      const tied = Math.abs(reach - length) <= EPSILON && leaving >= 0;
      const preferred = smallestIndex
        ? column < (this.#basis[leaving] ?? Infinity)
        : Math.abs(rate) > Math.abs(change[leaving] ?? 0);
      if (tied && !preferred) continue;
      length = Math.min(length, reach);
      leaving = row;
    }
    for (let row = 0; row < change.length; row++) this.#basicValues[row]! += change[row]! * length;
    if (leaving < 0) {
      this.#atUpper[entering] = 1 - this.#atUpper[entering]!;
      return { length, leaving };
    }
    const left = this.#basis[leaving]!;
    this.#isBasic[left] = 0;
    this.#atUpper[left] = change[leaving]! > 0 ? 1 : 0;
    this.#basicValues[leaving] = this.#outside(entering) + direction * length;
    this.#basis[leaving] = entering;
    this.#isBasic[entering] = 1;
    return { length, leaving };
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
    const outside = this.#lower.slice();
    for (let column = 0; column < outside.length; column++) {
      if (this.#isBasic[column] === 1) outside[column] = 0;
      else if (this.#atUpper[column] === 1) outside[column] = this.#upper[column]!;
    }
    const rest = this.#rows.map(({ weights, bound, reliefWeight }, row) => {
      let sum = bound + reliefWeight * outside[this.reliefColumn]! - outside[this.reliefColumn + 1 + row]!;
      for (let column = 0; column < weights.length; column++) sum -= weights[column]! * outside[column]!;
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
