// The mark that some editors and shells write in front of UTF-8. JSON has none, and a parser shows it as nothing.

const BYTE_ORDER_MARK = "\uFEFF";

export const withoutByteOrderMark = (text: string): string => (text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
