-- Gives back what was taken: never more than what is certainly still counted of it.
--
-- KEYS   what is counted
-- ARGV   1 time in ms where the caller keeps it, else empty   then for each key: the rule, the cost, when it was taken
-- Reply  as of limit_peek.lua, afterwards
local now, uses, reply = time(ARGV[1]), {}, {}
for i, key in ipairs(KEYS) do
  local rule, taken_at = read_rule(ARGV[3 * i - 1]), tonumber(ARGV[3 * i + 1])
  local cost = min(tonumber(ARGV[3 * i]), rule.limit)
  local packed = redis.call('GET', key)
  local kept = packed and cmsgpack.unpack(packed)
  local use = read_use(packed, rule, now)
  if kept and kept[1] == rule.algorithm and kept[2] == rule.weight then
    if rule.algorithm == GCRA then
      local drained = max(now - taken_at, 0) * rule.drain
      use.level = max(use.level - max(cost * rule.weight - drained, 0), 0)
    elseif rule.algorithm == SLIDING and taken_at >= use.start then
      use.current = max(use.current - cost, 0)
    elseif rule.algorithm == SLIDING and taken_at >= use.start - rule.period then
      use.previous = max(use.previous - cost, 0)
    elseif rule.algorithm == FIXED and taken_at >= use.start then
      use.count = max(use.count - cost, 0)
    elseif rule.algorithm == CONCURRENT then
      for at = #use.ends, 1, -1 do
        if cost > 0 and use.ends[at] == taken_at + rule.period then
          table.remove(use.ends, at)
          cost = cost - 1
        end
      end
    end
    write_use(key, rule, use, now)
  end
  uses[key] = use
end
reply[1], reply[2] = now, 1
for i, key in ipairs(KEYS) do
  report(reply, uses[key], read_rule(ARGV[3 * i - 1]), ALLOWED, 0, now)
end
return reply
