-- What is kept of a key under a rule: the tally and the strikes. It stands after limit_tally.lua.

-- The block of the n-th strike.
local function block(rule, strike)
  local length = rule.base
  for _ = 2, min(strike, 64) do
    length = min(length * rule.factor, rule.cap)
  end
  return min(length, rule.cap)
end

-- Reads what is kept, brought to a time and a rule; a count under another rate is none. What is of a time to come is ahead.
local function read_use(packed, rule, now)
  local use = { strikes = 0, last = 0, blocked = 0, level = 0, start = now, current = 0, previous = 0, count = 0,
    asked = 0, ahead = false }
  if rule.algorithm == FIXED then
    use.start = calendar_start(rule, now)
  elseif rule.algorithm == CONCURRENT then
    use.ends = {}
  end
  if not packed then
    return use
  end
  -- An array of 16 and more, as of many in flight, has a longer head.
  local head = string.byte(packed) < 0xdc and 1 or 3
  local _, algorithm, weight, strikes, last, blocked, first, second, third, fourth = cmsgpack.unpack_limit(packed, 9, head)
  if rule.base > 0 then
    local quiet = floor(max(now - last, 0) / rule.decay)
    use.strikes = max(strikes - quiet, 0)
    use.last = min(last + quiet * rule.decay, now)
    use.blocked = min(blocked, now + block(rule, max(strikes, 1)))
  end
  if algorithm ~= rule.algorithm or weight ~= rule.weight then
    return use
  elseif algorithm == CONCURRENT then
    use.ahead = age_ends(use, packed, rule, now) or last > now
  else
    use.ahead = age(use, rule, now, first, second, third, fourth) or last > now
  end
  return use
end

-- Writes with a TTL that outlives the tally and the strikes.
local function write_use(key, rule, use, now)
  local algorithm, weight, strikes, last, blocked = rule.algorithm, rule.weight, use.strikes, use.last, use.blocked
  local life, kept = 0, nil
  if algorithm == GCRA then
    kept = { algorithm, weight, strikes, last, blocked, use.level, now }
    life = rule.drain > 0 and ceil(use.level / rule.drain) or rule.period
  elseif algorithm == SLIDING then
    kept = { algorithm, weight, strikes, last, blocked, use.start, use.current, use.previous, now }
    life = use.start + 2 * rule.period - now
  elseif algorithm == FIXED then
    kept = { algorithm, weight, strikes, last, blocked, use.start, use.count }
    life = use.start + rule.period - now
  else
    kept = { algorithm, weight, strikes, last, blocked }
    for i, finish in ipairs(use.ends) do
      kept[5 + i] = finish
      life = finish - now
    end
  end
  if rule.base > 0 then
    life = max(life, use.last + use.strikes * rule.decay - now, use.blocked - now)
  end
  redis.call('SET', key, cmsgpack.pack(kept), 'PX', max(life, 0) + 1000)
end
