-- What is said of a demand. It stands after limit_use.lua.

local function standing(use, rule, cost, now)
  if use.blocked > now then
    return BLOCKED
  elseif rule.limit == 0 then
    return DENIED
  elseif cost > rule.limit then
    return UNSATISFIABLE
  end
  return wait(use, rule, cost, now) > 0 and DENIED or ALLOWED
end

-- Milliseconds until so many units are to be had, also of a key that is blocked.
local function waits(use, rule, units, now)
  local blocked = max(use.blocked - now, 0)
  if rule.limit == 0 then
    return max(rule.period, blocked)
  end
  return max(units > rule.limit and 0 or wait(use, rule, units, now), blocked)
end

-- Adds to a reply: standing, limit, remaining, ms to the next unit, to all of them, and until it may be asked again, strikes.
local function report(reply, use, rule, stands, cost, now)
  local left = use.blocked > now and 0 or remaining(use, rule, now)
  local retry = (stands == DENIED or stands == BLOCKED) and waits(use, rule, cost, now) or 0
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = stands, rule.limit, left, waits(use, rule, left + 1, now)
  reply[n + 5], reply[n + 6], reply[n + 7] = waits(use, rule, rule.limit, now), retry, use.strikes
end
