-- Decides demands together: all of it is taken, or nothing. Of two for the same key the second one is judged by the sum, since it is
-- granted with the first one or not at all. It stands after limit_plain.lua, which has read the time and what is kept.
--
-- KEYS   what is counted, one for each demand; two demands may be for the same
-- ARGV   1 time in ms where the caller keeps it, else empty   then for each demand: the rule (MessagePack, see docs/keyspace.md), the cost
-- Reply  time, 1 granted or 0, then seven numbers for each demand as report() adds them
local rules, uses, stands, waits, granted = {}, {}, {}, {}, true
for i, key in ipairs(KEYS) do
  local rule = read_rule(ARGV[2 * i])
  local use = uses[key] or read_use(kept[i], rule, now)
  use.asked = use.asked + tonumber(ARGV[2 * i + 1])
  rules[i], uses[key] = rule, use
  stands[i], waits[i] = standing(use, rule, use.asked, now)
  granted = granted and (stands[i] == ALLOWED or rule.shadow)
end
reply = { now, granted and 1 or 0 }
if granted then
  for i, key in ipairs(KEYS) do
    local use, rule = uses[key], rules[i]
    if stands[i] == ALLOWED then
      take(use, rule, tonumber(ARGV[2 * i + 1]), now)
      use.ahead = true
    end
    report(reply, use, rule, stands[i], waits[i], now)
  end
  for i, key in ipairs(KEYS) do
    local use = uses[key]
    if use.ahead then
      write_use(key, rules[i], use, now)
      use.ahead = false
    end
  end
  return reply
end
-- Nothing is taken; denials may cost strikes, once for each key.
for i, key in ipairs(KEYS) do
  local rule, use = rules[i], uses[key]
  if not use.written then
    local costs = rule.base > 0 and not rule.shadow
    if costs and stands[i] == DENIED then
      use.strikes, use.last = min(use.strikes + 1, 64), now
      use.blocked = now + block(rule, use.strikes)
    elseif costs and stands[i] == BLOCKED and rule.extends then
      use.last, use.blocked = now, now + block(rule, max(use.strikes, 1))
    else
      costs = false
    end
    use.written = costs or use.ahead
    if use.written then
      write_use(key, rule, use, now)
    end
  end
end
for i, key in ipairs(KEYS) do
  report(reply, uses[key], rules[i], stands[i], waits[i], now)
end
return reply
