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

local function read_rule(packed)
  local r = cmsgpack.unpack(packed)
  return { algorithm = r[1], limit = r[2], period = r[3], weight = r[4], drain = r[5], shadow = r[6] == 1,
    base = r[7], factor = r[8], cap = r[9], decay = r[10], extends = r[11] == 1 }
end
