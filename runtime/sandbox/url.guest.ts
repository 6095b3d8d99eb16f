// URL and URLSearchParams for the guest, of the package that is the standard's own reference implementation.

export { URL, URLSearchParams } from "whatwg-url";
