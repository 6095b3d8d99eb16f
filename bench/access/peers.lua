#!lua name=bench
-- The Lua peers of `access`, as functions of Redis 7: the same work as chain-gets.ts, fanout-gets.ts, functions/sieve.ts and
-- functions/sha256.ts. What is global is made local first, which Lua 5.1 reads faster.

local KEY_LENGTH = 12

local function chain(_, args)
  local call, sub = redis.call, string.sub
  local key = args[1]
  for _ = 1, tonumber(args[2]) do
    key = sub(call('GET', key), 1, KEY_LENGTH)
  end
  return key
end

local function fanout(keys, args)
  local call = redis.call
  local bytes = 0
  for _ = 1, tonumber(args[1]) do
    for index = 1, #keys do
      bytes = bytes + #call('GET', keys[index])
    end
  end
  return bytes
end

-- Filled from its beginning a table is an array inside; written here and there it would be a hash, a third slower.
local function sieve(_, args)
  local last = tonumber(args[1]) - 1
  local is_prime = {}
  for number = 1, last do is_prime[number] = true end
  local primes = 0
  for number = 2, last do
    if is_prime[number] then
      primes = primes + 1
      for multiple = number * number, last, number do is_prime[multiple] = false end
    end
  end
  return primes
end

local ROUND_CONSTANTS = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

-- The bytes 0, 1, … 255, again and again: 64 KiB.
local function generated()
  local bytes = {}
  for byte = 0, 255 do bytes[byte + 1] = string.char(byte) end
  return string.rep(table.concat(bytes), 256)
end

-- The message, a one bit, zeros, and the message's length in bits as eight bytes (FIPS 180-4, section 5.1.1).
local function padded(message)
  local bits = #message * 8
  local length = {}
  for place = 8, 1, -1 do
    length[place] = string.char(bits % 256)
    bits = math.floor(bits / 256)
  end
  return message .. '\128' .. string.rep('\0', (55 - #message) % 64) .. table.concat(length)
end

local function sha256()
  local band, bxor, ror, rshift, tobit, tohex = bit.band, bit.bxor, bit.ror, bit.rshift, bit.tobit, bit.tohex
  local byte = string.byte
  local k, w = ROUND_CONSTANTS, {}
  local message = padded(generated())
  local h0, h1, h2, h3 = 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
  local h4, h5, h6, h7 = 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
  for block = 1, #message, 64 do
    for t = 1, 16 do
      local at = block + t * 4 - 4
      local b1, b2, b3, b4 = byte(message, at, at + 3)
      w[t] = b1 * 16777216 + b2 * 65536 + b3 * 256 + b4
    end
    for t = 17, 64 do
      local w2, w15 = w[t - 2], w[t - 15]
      w[t] = tobit(bxor(ror(w2, 17), ror(w2, 19), rshift(w2, 10)) + w[t - 7]
        + bxor(ror(w15, 7), ror(w15, 18), rshift(w15, 3)) + w[t - 16])
    end
    local a, b, c, d, e, f, g, h = h0, h1, h2, h3, h4, h5, h6, h7
    for t = 1, 64 do
      local t1 = h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(g, band(e, bxor(f, g))) + k[t] + w[t]
      local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(c, bxor(a, b)))
      h, g, f = g, f, e
      e = tobit(d + t1)
      d, c, b = c, b, a
      a = tobit(t1 + t2)
    end
    h0, h1, h2, h3 = tobit(h0 + a), tobit(h1 + b), tobit(h2 + c), tobit(h3 + d)
    h4, h5, h6, h7 = tobit(h4 + e), tobit(h5 + f), tobit(h6 + g), tobit(h7 + h)
  end
  return tohex(h0) .. tohex(h1) .. tohex(h2) .. tohex(h3) .. tohex(h4) .. tohex(h5) .. tohex(h6) .. tohex(h7)
end

redis.register_function({ function_name = 'bench_chain', callback = chain, flags = { 'no-writes' } })
redis.register_function({ function_name = 'bench_fanout', callback = fanout, flags = { 'no-writes' } })
redis.register_function({ function_name = 'bench_sieve', callback = sieve, flags = { 'no-writes' } })
redis.register_function({ function_name = 'bench_sha256', callback = sha256, flags = { 'no-writes' } })
