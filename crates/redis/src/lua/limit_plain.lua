-- The usual check, without the functions and tables of the others, which are most of what a check costs: all rules are buckets without
-- penalties, no key stands twice, and everything fits in. Whatever else is asked goes on below, with nothing written yet.
local now = time(ARGV[1])
local kept = redis.call('MGET', unpack(KEYS))

-- What limit_check.lua would reply and write; nil where it has to judge.
local function plain()
  local reply, writes = { now, 1 }, {}
  for i, key in ipairs(KEYS) do
    for before = 1, i - 1 do
      if KEYS[before] == key then
        return nil
      end
    end
    local packed = kept[i]
    local _, algorithm, limit, period, weight, drain, _, base = cmsgpack.unpack_limit(ARGV[2 * i], 7, 1)
    local level = tonumber(ARGV[2 * i + 1]) * weight
    if algorithm ~= GCRA or base > 0 or packed and string.byte(packed) >= 0xdc then
      return nil
    elseif packed then
      local _, was, weighed, _, _, _, before, at = cmsgpack.unpack_limit(packed, 7, 1)
      if was == GCRA and weighed == weight then
        level = level + max(before - max(now - at, 0) * drain, 0)
      end
    end
    if level > limit * weight then
      return nil
    end
    local left = floor((limit * weight - level) / weight)
    local empty = drain > 0 and ceil(level / drain) or period
    local next_ms = 0
    if left < limit then
      local excess = level + (left + 1 - limit) * weight
      next_ms = excess <= 0 and 0 or drain > 0 and ceil(excess / drain) or period
    end
    local n = 7 * i - 5
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = ALLOWED, limit, left, next_ms
    reply[n + 5], reply[n + 6], reply[n + 7] = empty, 0, 0
    -- The head of an array of seven, as write_use() packs a table.
    writes[2 * i - 1], writes[2 * i] = '\151' .. cmsgpack.pack(GCRA, weight, 0, 0, 0, level, now), empty
  end
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, writes[2 * i - 1], 'PX', writes[2 * i] + 1000)
  end
  return reply
end

local reply = plain()
if reply then
  return reply
end
