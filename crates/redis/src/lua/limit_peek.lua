-- How demands stand, taking nothing.
--
-- KEYS, ARGV and reply as limit_check.lua
local now = time(ARGV[1])
local kept = redis.call('MGET', unpack(KEYS))
local uses, reply = {}, { now, 1 }
for i, key in ipairs(KEYS) do
  local rule, cost = read_rule(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local use = uses[key] or read_use(kept[i], rule, now)
  local how = standing(use, rule, cost, now)
  if how == ALLOWED then
    take(use, rule, cost, now)
  elseif not rule.shadow then
    reply[2] = 0
  end
  uses[key] = use
  local untouched = read_use(kept[i], rule, now)
  report(reply, untouched, rule, how, cost, now)
end
return reply
