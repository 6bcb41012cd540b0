-- What is kept of a key under a rule: the tally and the strikes. It stands after limit_tally.lua.

-- The block of the n-th strike.
local function block(rule, strike)
  local length = rule.base
  for _ = 2, min(strike, 64) do
    length = min(length * rule.factor, rule.cap)
  end
  return min(length, rule.cap)
end

-- Reads what is kept, brought to a time and a rule; a count under another rate is none. Second: whether it is of a time to come.
local function read_use(packed, rule, now)
  local use = { strikes = 0, last = 0, blocked = 0 }
  local kept = packed and cmsgpack.unpack(packed)
  if kept and rule.base > 0 then
    local longest = block(rule, max(kept[3], 1))
    use.blocked = min(kept[5], now + longest)
    local since = rule.decay > longest and kept[4] or max(kept[4], use.blocked)
    local quiet = floor(max(now - since, 0) / rule.decay)
    use.strikes = max(kept[3] - quiet, 0)
    use.last = min(quiet > 0 and since + quiet * rule.decay or kept[4], now)
  end
  if kept and kept[1] == rule.algorithm and kept[2] == rule.weight then
    return use, age(use, kept, rule, now) or kept[4] > now
  end
  use.level, use.at, use.start, use.current, use.previous, use.count, use.ends = 0, now, now, 0, 0, 0, {}
  if rule.algorithm == FIXED then
    use.start = calendar_start(rule, now)
  elseif rule.algorithm == CONCURRENT then
    use.count = nil
  end
  return use, false
end

-- Writes with a TTL that outlives the tally and the strikes.
local function write_use(key, rule, use, now)
  local life, kept = 0, { rule.algorithm, rule.weight, use.strikes, use.last, use.blocked }
  if rule.algorithm == GCRA then
    kept[6], kept[7] = use.level, now
    life = rule.drain > 0 and ceil(use.level / rule.drain) or rule.period
  elseif rule.algorithm == SLIDING then
    kept[6], kept[7], kept[8], kept[9] = use.start, use.current, use.previous, now
    life = use.start + 2 * rule.period - now
  elseif rule.algorithm == FIXED then
    kept[6], kept[7] = use.start, use.count
    life = use.start + rule.period - now
  else
    for i, finish in ipairs(use.ends) do
      kept[5 + i] = finish
      life = finish - now
    end
  end
  if rule.base > 0 then
    life = max(life, max(use.last, use.blocked) + use.strikes * rule.decay - now)
  end
  redis.call('SET', key, cmsgpack.pack(kept), 'PX', string.format('%.0f', max(life, 0) + 1000))
end
