-- What is said of a demand. It stands after limit_use.lua.

-- Milliseconds until a cost fits in, whatever the key did before; 0 where it never will.
local function until_fits(use, rule, cost, now)
  if rule.limit == 0 then
    return rule.period
  end
  return cost > rule.limit and 0 or wait(use, rule, cost, now)
end

-- How a cost stands, and until it fits in.
local function standing(use, rule, cost, now)
  local wait_ms = until_fits(use, rule, cost, now)
  if use.blocked > now then
    return BLOCKED, wait_ms
  elseif cost > rule.limit and rule.limit > 0 then
    return UNSATISFIABLE, wait_ms
  end
  return wait_ms > 0 and DENIED or ALLOWED, wait_ms
end

-- Adds to a reply: standing, limit, remaining, ms to the next unit, to all of them, and until it may be asked again, strikes.
local function report(reply, use, rule, stands, wait_ms, now)
  local blocked = max(use.blocked - now, 0)
  local left = blocked > 0 and 0 or remaining(use, rule, now)
  local retry = (stands == DENIED or stands == BLOCKED) and max(wait_ms, blocked) or 0
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = stands, rule.limit, left
  reply[n + 4] = max(until_fits(use, rule, left + 1, now), blocked)
  reply[n + 5], reply[n + 6], reply[n + 7] = max(until_fits(use, rule, rule.limit, now), blocked), retry, use.strikes
end
