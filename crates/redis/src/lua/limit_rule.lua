-- What every script about limits needs first: the time and the rule. All numbers are whole and at most 2^53.
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max
local GCRA, SLIDING, FIXED, CONCURRENT = 1, 2, 3, 4
local ALLOWED, DENIED, BLOCKED, UNSATISFIABLE = 0, 1, 2, 3

-- The caller's time where it keeps the time, else the server's, in milliseconds.
local function time(given)
  if given ~= '' then
    return tonumber(given)
  end
  local parts = redis.call('TIME')
  return parts[1] * 1000 + floor(parts[2] / 1000)
end

-- Tables are most of what a check costs, so numbers are read from behind the head of their array, which makes none of them.
local function read_rule(packed)
  local _, algorithm, limit, period, weight, drain, shadow, base, factor, cap, decay, extends =
    cmsgpack.unpack_limit(packed, 11, 1)
  return { algorithm = algorithm, limit = limit, period = period, weight = weight, drain = drain, shadow = shadow == 1,
    base = base, factor = factor, cap = cap, decay = decay, extends = extends == 1 }
end
