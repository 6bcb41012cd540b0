-- Forgets the oldest events of a home's timeline, as long as they are from before a time.
--
-- KEYS   1 the home's timeline   2 the home's figures
-- ARGV   1 the time, ms   2 how many at most
-- Reply  how many were forgotten
local before, limit, gone = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
while gone < limit do
  local oldest = redis.call('LINDEX', KEYS[1], 0)
  if not oldest or cjson.decode(oldest).t >= before then
    break
  end
  redis.call('LPOP', KEYS[1])
  gone = gone + 1
end
if gone > 0 then
  local total = tonumber(redis.call('HGET', KEYS[2], 'events') or 0)
  redis.call('HSET', KEYS[2], 'forgotten', total - redis.call('LLEN', KEYS[1]))
end
return gone
