-- What a key has used of a rule, by algorithm; the core's Tally in another language, and held to it by random tests. It stands after
-- limit_rule.lua.

-- Weeks begin on Monday, everything else with the epoch.
local function calendar_start(rule, now)
  local phase = rule.period % 604800000 == 0 and 345600000 or 0
  local since = max(now - phase, 0)
  return since - since % rule.period + phase
end

-- Brings what was kept, its fields from the sixth on, to a time. Returns whether it was counted by a clock that was further on.
local function age(use, rule, now, first, second, third, fourth)
  if rule.algorithm == GCRA then
    use.level = max(first - max(now - second, 0) * rule.drain, 0)
    return second > now
  elseif rule.algorithm == SLIDING then
    local start = max(first - max(fourth - now, 0), 0)
    local windows = floor(max(now - start, 0) / rule.period)
    if windows == 0 then
      use.start, use.current, use.previous = start, second, third
    elseif windows == 1 then
      use.start, use.current, use.previous = start + rule.period, 0, second
    end
    return fourth > now
  end
  use.start = calendar_start(rule, now)
  use.count = use.start > first and 0 or second
  return first > now
end

-- As age(), for requests in flight: any number of fields.
local function age_ends(use, packed, rule, now)
  local kept, latest = cmsgpack.unpack(packed), now + rule.period
  for i = 6, #kept do
    if kept[i] > now then
      use.ends[#use.ends + 1] = min(kept[i], latest)
    end
  end
  return #kept > 5 and kept[#kept] > latest
end

local function remaining(use, rule, now)
  if rule.algorithm == GCRA then
    return floor(max(rule.limit * rule.weight - use.level, 0) / rule.weight)
  elseif rule.algorithm == SLIDING then
    local used = use.previous * max(rule.period - (now - use.start), 0) + use.current * rule.period
    return floor(max(rule.limit * rule.period - used, 0) / rule.period)
  end
  return max(rule.limit - (use.ends and #use.ends or use.count), 0)
end

-- How far a window must be so that what is before it weighs at most so many units.
local function until_weighs(rule, before, units)
  return before == 0 and 0 or rule.period - min(floor(units * rule.period / before), rule.period)
end

-- Milliseconds until a cost of at most the limit fits in; 0 if it does now.
local function wait(use, rule, cost, now)
  if rule.algorithm == GCRA then
    local excess = use.level + (cost - rule.limit) * rule.weight
    if excess <= 0 then
      return 0
    end
    return rule.drain == 0 and rule.period or ceil(excess / rule.drain)
  elseif rule.algorithm == SLIDING then
    local elapsed, left = now - use.start, rule.limit - use.current - cost
    if left >= 0 then
      return max(until_weighs(rule, use.previous, left) - elapsed, 0)
    end
    return max(rule.period - elapsed, 0) + until_weighs(rule, use.current, max(rule.limit - cost, 0))
  elseif rule.algorithm == FIXED then
    return use.count + cost > rule.limit and use.start + rule.period - now or 0
  end
  local last = use.ends[#use.ends + cost - rule.limit]
  return last and last - now or 0
end

local function take(use, rule, cost, now)
  if rule.algorithm == GCRA then
    use.level = use.level + cost * rule.weight
  elseif rule.algorithm == SLIDING then
    use.current = use.current + cost
  elseif rule.algorithm == FIXED then
    use.count = use.count + cost
  else
    for _ = 1, cost do
      use.ends[#use.ends + 1] = now + rule.period
    end
  end
end
