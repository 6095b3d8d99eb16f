import { expect, it } from "vitest";
import { refusalIn } from "./refusal.ts";

const refusalOf = (refusal: string | undefined, code: "CALL_REFUSED" | "FUNCTION_FAILED" = "CALL_REFUSED") =>
  refusalIn({ code, message: "", stack: "", refusal });

it("reads the status and the data of a call that was refused, and of no other", () => {
  expect(refusalOf('{"status":404,"data":{"user":7}}')).toEqual({ status: 404, data: { user: 7 } });
  expect(refusalOf('{"status":422}')).toEqual({ status: 422 });
  expect(refusalOf('{"status":404}', "FUNCTION_FAILED")).toBeUndefined();
});

it.each([undefined, "", "{", "null", "7", '{"status":200}', '{"status":500}', '{"status":"404"}', '{"status":404.5}'])(
  "answers 400 where a sandbox says %j",
  (refusal) => {
    expect(refusalOf(refusal)).toEqual({ status: 400 });
  },
);
