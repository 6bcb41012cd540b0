-- Decides demands together: all of it is taken, or nothing.
--
-- KEYS   what is counted, one for each demand; two demands may be for the same
-- ARGV   1 time in ms where the caller keeps it, else empty   then for each demand: the rule (MessagePack, see docs/keyspace.md), the cost
-- Reply  time, 1 granted or 0, then seven numbers for each demand as report() adds them
local now = time(ARGV[1])
local kept = redis.call('MGET', unpack(KEYS))
local rules, uses, stands, granted = {}, {}, {}, true
local reply = { now, 1 }
for i, key in ipairs(KEYS) do
  local rule, cost = read_rule(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local use = uses[key] or read_use(kept[i], rule, now)
  local how = standing(use, rule, cost, now)
  if how == ALLOWED then
    take(use, rule, cost, now)
    use.ahead = true
  end
  rules[i], uses[key], stands[i] = rule, use, how
  granted = granted and (how == ALLOWED or rule.shadow)
  report(reply, use, rule, how, cost, now)
end
if granted then
  for i, key in ipairs(KEYS) do
    local use = uses[key]
    if use.ahead then
      write_use(key, rules[i], use, now)
      use.ahead = false
    end
  end
  return reply
end
-- Nothing is taken, so what is there is read again; denials may cost strikes, once for each key.
local left = {}
for i, key in ipairs(KEYS) do
  local rule = rules[i]
  if not (left[key] and left[key].written) then
    local use = read_use(kept[i], rule, now)
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
    left[key] = use
  end
end
local reply = { now, 0 }
for i, key in ipairs(KEYS) do
  report(reply, left[key], rules[i], stands[i], tonumber(ARGV[2 * i + 1]), now)
end
return reply
