-- How demands stand, taking nothing.
--
-- KEYS, ARGV and reply as limit_check.lua
local now = time(ARGV[1])
local kept = redis.call('MGET', unpack(KEYS))
local uses, reply = {}, { now, 1 }
for i, key in ipairs(KEYS) do
  local rule = read_rule(ARGV[2 * i])
  local use = uses[key] or read_use(kept[i], rule, now)
  use.asked = use.asked + tonumber(ARGV[2 * i + 1])
  uses[key] = use
  local how, wait_ms = standing(use, rule, use.asked, now)
  if how ~= ALLOWED and not rule.shadow then
    reply[2] = 0
  end
  report(reply, use, rule, how, wait_ms, now)
end
return reply
