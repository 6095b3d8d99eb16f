// A line of a function's log may have line breaks in it. On the agent's standard error, where a line ends at its
// break, another character stands for those.

/** "Record separator", which nobody prints otherwise. */
const BREAK = "\u001e";

export const printableLine = (line: string): string => `${line.replaceAll("\n", BREAK)}\n`;

export const heardLine = (printed: string): string => printed.replaceAll(BREAK, "\n");
